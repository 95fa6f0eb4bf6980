/* A Vulkan layer whose device is lost: once the file or folder LOST_AFTER is there, vkQueueSubmit answers
 * VK_ERROR_DEVICE_LOST. What a layer needs is declared by hand, as in version 1.3 of vk_layer.h, so that the test takes a
 * C compiler alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int32_t Result;
typedef void (*Function)(void);
typedef Function (*Lookup)(void *owner, const char *name);
typedef struct Link { struct Link *next; Lookup instance; Lookup other; } Link;
/* A part of the chain behind a create call; `link` is there where `function` is LINK. */
typedef struct Part { int32_t type; const struct Part *next; int32_t function; Link *link; } Part;
typedef struct { int32_t type; const Part *next; } CreateInfo;

enum { DEVICE_LOST = -4, INITIALIZATION_FAILED = -3, INSTANCE = 47, DEVICE = 48, LINK = 0 };

static Lookup next_instance, next_device;
static Result (*next_submit)(void *, uint32_t, const void *, uint64_t);

static Link *take_link(const CreateInfo *info, int32_t type) {
    for (const Part *part = info->next; part; part = part->next) {
        if (part->type == type && part->function == LINK) {
            Link *link = part->link;
            ((Part *)part)->link = link->next; /* the next layer finds its own */
            return link;
        }
    }
    return NULL;
}

static Result create_instance(const CreateInfo *info, const void *allocator, void **instance) {
    Link *link = take_link(info, INSTANCE);
    if (!link) return INITIALIZATION_FAILED;
    next_instance = link->instance;
    Result (*create)(const CreateInfo *, const void *, void **) = (void *)next_instance(NULL, "vkCreateInstance");
    return create(info, allocator, instance);
}

static Result create_device(void *card, const CreateInfo *info, const void *allocator, void **device) {
    Link *link = take_link(info, DEVICE);
    if (!link) return INITIALIZATION_FAILED;
    Result (*create)(void *, const CreateInfo *, const void *, void **) =
        (void *)link->instance(NULL, "vkCreateDevice");
    next_device = link->other;
    Result made = create(card, info, allocator, device);
    if (made == 0) next_submit = (void *)next_device(*device, "vkQueueSubmit");
    return made;
}

static Result submit(void *queue, uint32_t count, const void *batches, uint64_t fence) {
    const char *after = getenv("LOST_AFTER");
    if (after && access(after, F_OK) == 0) return DEVICE_LOST;
    return next_submit(queue, count, batches, fence);
}

static Function own(const char *name);

Function lost_device_lookup(void *device, const char *name) {
    Function found = own(name);
    return found ? found : next_device(device, name);
}

Function lost_instance_lookup(void *instance, const char *name) {
    Function found = own(name);
    return found ? found : next_instance(instance, name);
}

static Function own(const char *name) {
    if (!strcmp(name, "vkCreateInstance")) return (Function)create_instance;
    if (!strcmp(name, "vkCreateDevice")) return (Function)create_device;
    if (!strcmp(name, "vkQueueSubmit")) return (Function)submit;
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (Function)lost_device_lookup;
    if (!strcmp(name, "vkGetInstanceProcAddr")) return (Function)lost_instance_lookup;
    return NULL;
}
