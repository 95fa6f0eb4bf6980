"""Makes a safetensors file the same bytes every time it is written."""

import json
from pathlib import Path


def settle(path: Path) -> None:
    """Sorts the metadata, whose order safetensors leaves to chance, and lets everyone read the file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    path.chmod(0o644)
