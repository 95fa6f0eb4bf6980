"use strict";
// Makes the page answer: values under the pointer, zoom, switches, tables that are sorted and filtered. Without it every figure,
// table and link still stands.
(() => {
  const all = (query, node = document) => [...node.querySelectorAll(query)];
  const svgNode = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const hidden = new Set();

  // The lines of a CSV file (RFC 4180) that stands in a link, the head first.
  const linesOf = (href) => {
    const text = decodeURIComponent(href.slice(href.indexOf(",") + 1)).trimEnd();
    return text.split("\n").map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((cell) => cell[1]?.replaceAll('""', '"') ?? cell[2]));
  };
  const line = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

  // An axis as the SVG states it: scale and ends after its logarithm.
  class Axis {
    constructor(code, from, to) {
      const [scale, low, high] = code.split(" ");
      Object.assign(this, { scale, low: +low, high: +high, from, to });
    }
    apply(value) { return this.scale === "log" ? Math.log10(value) : this.scale === "log2" ? Math.log2(value) : value; }
    invert(placed) { return this.scale === "log" ? 10 ** placed : this.scale === "log2" ? 2 ** placed : placed; }
    pixel(value) { return this.from + (this.apply(value) - this.low) / (this.high - this.low) * (this.to - this.from); }
    value(pixel) { return this.invert(this.low + (pixel - this.from) / (this.to - this.from) * (this.high - this.low)); }
    // Round values that fall inside, from four to nine of them.
    ticks() {
      const round = (low, high) => {
        const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
        const every = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
        const first = Math.ceil(low / every);
        return Array.from({ length: 12 }, (_, i) => +((first + i) * every).toPrecision(12)).filter((tick) => tick <= high);
      };
      if (this.scale === "linear") return round(this.low, this.high);
      if (this.high - this.low > 2) return round(this.low, this.high).filter(Number.isInteger).map((power) => this.invert(power));
      return round(this.invert(this.low), this.invert(this.high)).filter((tick) => tick > 0);
    }
  }

  const words = (value) => {
    if (!Number.isFinite(value)) return String(value);
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(+value.toPrecision(5));
  };

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const showTip = (html, x, y) => {
    tip.replaceChildren(...html);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, y + 18 + height > innerHeight ? y - height - 12 : y + 18)}px`;
  };

  // One SVG: its zoom, its keys, and what all kinds of figures have in common. A kind has `tell(x, y, target)`, which shows what lies
  // at a place, and `walk(across, up)`, which goes on from there.
  class Plot {
    constructor(svg, data) {
      Object.assign(this, { svg, data, home: [svg.dataset.x, svg.dataset.y] });
      const [left, top, right, bottom] = svg.dataset.box.split(" ").map(Number);
      Object.assign(this, { left, top, right, bottom });
      this.names = { x: svg.dataset.xNames?.split("\n"), y: svg.dataset.yNames?.split("\n") };
      const layers = all("g.layer", svg);
      // A browser would show titles of its own over ours.
      for (const layer of layers) {
        if (layer.firstChild?.nodeName !== "title") continue;
        layer.dataset.title = layer.firstChild.textContent;
        layer.firstChild.remove();
      }
      this.titled = layers.filter((layer) => layer.dataset.title);
      const parts = svg.getAttribute("aria-labelledby").split(" ");
      const clip = svgNode("clipPath", { id: `${parts[0]}-clip` });
      clip.append(svgNode("rect", { x: left, y: top, width: right - left, height: bottom - top }));
      svg.setAttribute("aria-label", parts.map((id) => document.getElementById(id).textContent).join(". "));
      svg.removeAttribute("aria-labelledby");
      svg.querySelector(":scope > title").remove();
      this.inside = svgNode("g", { class: "inside" });
      this.moved = svgNode("g", {});
      this.inside.append(this.moved);
      this.ticks = svgNode("g", { class: "new-ticks" });
      this.cursor = svgNode("line", { class: "cursor", y1: top, y2: bottom, visibility: "hidden" });
      this.ring = svgNode("rect", { class: "cursor", fill: "none", visibility: "hidden" });
      this.box = svgNode("rect", { class: "box", visibility: "hidden" });
      layers[0]?.before(this.inside);
      this.moved.append(...layers);
      svg.prepend(clip);
      svg.append(this.ticks, this.cursor, this.ring, this.box);
      this.clip = `url(#${clip.id})`;
      this.reset();
      svg.tabIndex = 0;
      svg.addEventListener("pointermove", (event) => this.move(event));
      svg.addEventListener("pointerleave", () => this.leave());
      svg.addEventListener("pointerdown", (event) => this.press(event));
      svg.addEventListener("pointerup", (event) => this.release(event));
      svg.addEventListener("dblclick", () => this.reset());
      svg.addEventListener("blur", () => this.leave());
      svg.addEventListener("keydown", (event) => this.key(event));
    }
    reset() {
      this.x = new Axis(this.home[0], this.left, this.right);
      this.y = new Axis(this.home[1], this.bottom, this.top);
      this.scale = [1, 0, 1, 0];
      this.svg.classList.remove("zoomed");
      this.moved.removeAttribute("transform");
      this.inside.removeAttribute("clip-path");
      this.ticks.replaceChildren();
      this.keepShapes();
    }
    at(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      return [Math.min(this.right, Math.max(this.left, point.x)), Math.min(this.bottom, Math.max(this.top, point.y))];
    }
    // Where a place of the drawing is in the window.
    onScreen(x, y) {
      const point = new DOMPoint(x, y).matrixTransform(this.svg.getScreenCTM());
      return [point.x, point.y];
    }
    move(event) {
      const [x, y] = this.at(event);
      if (this.start) {
        const [x0, y0] = this.start;
        const place = { x: Math.min(x, x0), y: Math.min(y, y0), width: Math.abs(x - x0), height: Math.abs(y - y0) };
        for (const [key, value] of Object.entries(place)) this.box.setAttribute(key, value);
        this.box.setAttribute("visibility", place.width > 8 ? "visible" : "hidden");
      }
      this.tell(x, y, event);
    }
    leave() {
      tip.hidden = true;
      this.cursor.setAttribute("visibility", "hidden");
      this.ring.setAttribute("visibility", "hidden");
    }
    press(event) {
      if (event.pointerType === "touch") this.move(event);
      if (event.button !== 0 || event.pointerType === "touch" || this.names.x) return;
      this.start = this.at(event);
      this.svg.setPointerCapture(event.pointerId);
    }
    release(event) {
      const start = this.start;
      this.start = null;
      this.box.setAttribute("visibility", "hidden");
      if (!start) return;
      const [x, y] = this.at(event);
      if (Math.abs(x - start[0]) > 8 && Math.abs(y - start[1]) > 8) this.zoom([start[0], x], [start[1], y]);
    }
    key(event) {
      const near = (share) => {
        if (this.names.x) return;
        const middle = this.middle();
        this.zoom([middle - (middle - this.left) * share, middle + (this.right - middle) * share], [this.top, this.bottom]);
      };
      const actions = {
        ArrowLeft: () => this.walk(-1, 0), ArrowRight: () => this.walk(1, 0), ArrowUp: () => this.walk(0, 1), ArrowDown: () => this.walk(0, -1),
        "+": () => near(0.5), "-": () => this.reset(), Escape: () => this.reset(),
      };
      const action = actions[event.key];
      if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        action();
      }
    }
    zoom(xs, ys) {
      const part = (axis, ends) => {
        const [low, high] = ends.map((pixel) => axis.apply(axis.value(pixel))).sort((a, b) => a - b);
        // Closer than this, numbers are no finer.
        if (high - low > 1e-9 * Math.max(1, Math.abs(high))) Object.assign(axis, { low, high });
      };
      part(this.x, xs);
      part(this.y, ys);
      const fit = (axis, code, from, to) => {
        const old = new Axis(code, from, to);
        const scale = (old.high - old.low) / (axis.high - axis.low);
        return [scale, from + (old.low - axis.low) / (axis.high - axis.low) * (to - from) - scale * from];
      };
      this.scale = [...fit(this.x, this.home[0], this.left, this.right), ...fit(this.y, this.home[1], this.bottom, this.top)];
      const [sx, tx, sy, ty] = this.scale;
      this.moved.setAttribute("transform", `matrix(${sx} 0 0 ${sy} ${tx} ${ty})`);
      this.inside.setAttribute("clip-path", this.clip);
      this.svg.classList.add("zoomed");
      this.keepShapes();
      this.leave();
      this.drawTicks();
    }
    // Dots, crosses and words move apart and do not grow.
    keepShapes() {
      const [sx, , sy] = this.scale;
      if (!this.small && sx === 1 && sy === 1) return;
      this.small ??= all("circle, text, line, polyline, path", this.moved).filter((node) => !node.hasAttribute("transform")).flatMap((node) => {
        const { x, y, width, height } = node.getBBox();
        const is = node.nodeName === "text" || width <= 26 && Math.abs(width - height) < 1.5;
        return is ? [[node, x + width / 2, y + height / 2]] : [];
      });
      for (const [node, x, y] of this.small) node.setAttribute("transform", `translate(${x} ${y}) scale(${1 / sx} ${1 / sy}) translate(${-x} ${-y})`);
    }
    drawTicks() {
      const marks = [];
      const text = (x, y, anchor, words) => {
        const node = svgNode("text", { x, y, "text-anchor": anchor, "font-size": 26 });
        node.textContent = words;
        marks.push(node);
      };
      for (const tick of this.x.ticks()) {
        const x = this.x.pixel(tick);
        marks.push(svgNode("line", { x1: x, x2: x, y1: this.top, y2: this.bottom }));
        text(x, this.bottom + 30, "middle", words(tick));
      }
      const rows = this.names.y?.map((_, row) => row).filter((row) => row >= this.y.low && row <= this.y.high);
      for (const tick of rows ?? this.y.ticks()) {
        const y = this.y.pixel(tick);
        marks.push(svgNode("line", { x1: this.left, x2: this.right, y1: y, y2: y }));
        text(this.left - 10, y + 9, "end", this.names.y?.[tick] ?? words(tick));
      }
      this.ticks.replaceChildren(...marks);
    }
    line(pixel) {
      this.cursor.setAttribute("x1", pixel);
      this.cursor.setAttribute("x2", pixel);
      this.cursor.setAttribute("visibility", "visible");
    }
  }

  // Curves over steps: the values of all at the step nearest to the pointer, the largest first.
  class Curves extends Plot {
    middle() { return this.step === undefined ? (this.left + this.right) / 2 : this.x.pixel(this.step); }
    read() {
      if (this.rows) return;
      const arms = new Map(this.titled.map((layer) => [layer.dataset.title, layer.dataset.arm]));
      const [head, ...rows] = linesOf(this.data.href);
      this.head = head;
      this.rows = rows.filter((row) => arms.has(row[1]));
      this.arms = arms;
      this.steps = [...new Set(this.rows.map((row) => +row[0]))].sort((a, b) => a - b);
    }
    nearest(pixel) {
      const wanted = this.x.value(pixel);
      return this.steps.reduce((best, step) => Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best, this.steps[0]);
    }
    tell(x, y, event) {
      this.read();
      this.show(this.nearest(x), event.clientX, event.clientY);
    }
    show(step, x, y) {
      this.step = step;
      this.line(this.x.pixel(step));
      const [value, low, high, lost] = ["median", "low", "high", "not_finite"].map((name) => this.head.indexOf(name));
      const shown = this.rows.filter((row) => +row[0] === step && !hidden.has(this.arms.get(row[1])));
      const of = (row) => value < 0 ? row[2] : row[value];
      shown.sort((a, b) => of(b) - of(a));
      const lines = shown.map((row) => {
        const range = low < 0 || row[low] === row[high] ? "" : ` (${words(+row[low])} to ${words(+row[high])})`;
        const found = of(row) === "" ? "" : Number.isFinite(+of(row)) ? words(+of(row)) + range : "not finite";
        return line("div", `${row[1]}: ${found}${row[lost] === "1" ? " not finite in some run" : ""}`);
      });
      showTip([line("strong", `${this.head[0]} ${words(step)}`), ...lines], x, y);
    }
    walk(across, up) {
      this.read();
      const place = this.steps.indexOf(this.nearest(this.middle())) + across + up;
      const step = this.steps[Math.min(this.steps.length - 1, Math.max(0, place))];
      this.show(step, ...this.onScreen(this.x.pixel(step), this.top));
    }
  }

  // A map of layers over steps: the cell under the pointer.
  class Cells extends Plot {
    middle() { return this.place ? this.x.pixel(this.place[0]) : (this.left + this.right) / 2; }
    read() {
      if (this.cells) return;
      const panel = this.svg.closest(".panel").querySelector(".panel-title")?.textContent;
      const rows = linesOf(this.data.href).slice(1).filter((row) => panel === undefined || row[0] === panel);
      this.cells = new Map(rows.map(([, step, layer, value]) => [`${step} ${layer}`, value]));
      this.steps = [...new Set(rows.map((row) => +row[1]))].sort((a, b) => a - b);
      this.layers = 1 + Math.max(...rows.map((row) => +row[2]));
    }
    tell(x, y, event) {
      this.read();
      const wanted = this.x.value(x);
      const step = this.steps.findLast((step) => step <= wanted) ?? this.steps[0];
      this.show(step, Math.min(this.layers - 1, Math.max(0, Math.floor(this.y.value(y)))), event.clientX, event.clientY);
    }
    show(step, layer, x, y) {
      this.place = [step, layer];
      this.line(this.x.pixel(step));
      const value = this.cells.get(`${step} ${layer}`);
      const found = value === undefined ? "nothing recorded" : Number.isFinite(+value) ? words(+value) : "not finite";
      const joined = this.steps.length > 1 && this.steps[1] - this.steps[0] > 1 ? "from step" : "step";
      showTip([line("strong", `${joined} ${step}, layer ${layer}`), line("div", found)], x, y);
    }
    walk(across, up) {
      this.read();
      const [step, layer] = this.place ?? [this.steps[0], 0];
      const next = this.steps[Math.min(this.steps.length - 1, Math.max(0, this.steps.indexOf(step) + across))];
      const above = Math.min(this.layers - 1, Math.max(0, layer + up));
      this.show(next, above, ...this.onScreen(this.x.pixel(next), this.y.pixel(above + 0.5)));
    }
  }

  // Dots, bars and cells with a title each: that under the pointer, or the nearest to it.
  class Marks extends Plot {
    middle() { return this.mark ? this.middleOf(this.mark)[0] : (this.left + this.right) / 2; }
    shown() { return this.titled.filter((layer) => !hidden.has(layer.dataset.arm)); }
    boxOf(layer) {
      this.boxes ??= new Map();
      if (!this.boxes.has(layer)) this.boxes.set(layer, layer.getBBox());
      return this.boxes.get(layer);
    }
    middleOf(layer) {
      const { x, y, width, height } = this.boxOf(layer), [sx, tx, sy, ty] = this.scale;
      return [(x + width / 2) * sx + tx, (y + height / 2) * sy + ty];
    }
    tell(x, y, event) {
      const titled = (node) => {
        const layer = node?.closest?.("g.layer");
        return layer?.dataset.title && this.svg.contains(layer) ? layer : null;
      };
      let found = titled(event.target);
      // Thin lines are met nearby, too.
      for (const [dx, dy] of [[0, 4], [0, -4], [4, 0], [-4, 0]]) found ??= titled(document.elementFromPoint(event.clientX + dx, event.clientY + dy));
      if (!found) {
        const far = (layer) => Math.hypot(this.middleOf(layer)[0] - x, this.middleOf(layer)[1] - y);
        const near = this.shown().filter((layer) => this.isSmall(layer)).map((layer) => [far(layer), layer]).filter(([distance]) => distance < 40);
        found = near.sort((a, b) => a[0] - b[0])[0]?.[1];
      }
      if (found) this.show(found, event.clientX, event.clientY);
      else this.leave();
    }
    isSmall(layer) {
      const { width, height } = this.boxOf(layer);
      return width <= 60 && height <= 60;
    }
    leave() {
      super.leave();
      this.mark?.classList.remove("on");
    }
    show(mark, x, y) {
      this.mark?.classList.remove("on");
      this.mark = mark;
      const { width, height } = this.boxOf(mark), [middle, level] = this.middleOf(mark), air = 6;
      const place = { x: middle - width / 2 - air, y: level - height / 2 - air, width: width + 2 * air, height: height + 2 * air };
      for (const [key, value] of Object.entries(place)) this.ring.setAttribute(key, value);
      this.ring.setAttribute("visibility", this.isSmall(mark) ? "visible" : "hidden");
      mark.classList.toggle("on", !this.isSmall(mark));
      showTip([line("div", mark.dataset.title)], x, y);
    }
    walk(across, up) {
      const shown = this.shown();
      const place = this.mark && shown.includes(this.mark) ? shown.indexOf(this.mark) + across + up : 0;
      const mark = shown[Math.min(shown.length - 1, Math.max(0, place))];
      if (mark) this.show(mark, ...this.onScreen(...this.middleOf(mark)));
    }
  }

  const kinds = { curves: Curves, map: Cells, marks: Marks };
  for (const figure of all("figure[data-kind]")) {
    const data = figure.querySelector("a.data");
    for (const svg of all("svg.figure", figure)) new kinds[figure.dataset.kind](svg, data);
  }

  // Switches: an arm that is off is off in every figure and table.
  const apply = () => {
    for (const node of all("[data-arm]")) {
      if (!node.closest(".switches")) node.toggleAttribute("data-off", hidden.has(node.dataset.arm));
    }
  };
  for (const switches of all(".switches")) {
    switches.hidden = false;
    const boxes = all("input", switches);
    const take = () => {
      hidden.clear();
      for (const box of boxes) if (!box.checked) hidden.add(box.dataset.arm);
      apply();
    };
    switches.addEventListener("change", take);
    for (const button of all("button", switches)) {
      button.addEventListener("click", () => {
        for (const box of boxes) box.checked = button.dataset.all === "on";
        take();
      });
    }
  }

  // Tables: a click on a head sorts, a second one the other way, a third one goes back. What is no value stays last.
  const missing = (text) => text === "" || text === "–";
  const numeric = (text) => /^[-−+]?[\d.]/.test(text) ? parseFloat(text.replace("−", "-").replace(/(\d),(?=\d{3})/g, "$1")) : NaN;
  const sortBy = (table, rows, column, way) => {
    const body = table.tBodies[0];
    const keyed = rows.map((row) => [row.cells[column].textContent.trim(), row]);
    const numbers = keyed.every(([text]) => missing(text) || !Number.isNaN(numeric(text)));
    const compare = (a, b) => numbers ? numeric(a) - numeric(b) : a.localeCompare(b, "en", { numeric: true });
    const order = ([a], [b]) => missing(a) || missing(b) ? missing(a) - missing(b) : way * compare(a, b);
    body.append(...(way ? keyed.sort(order).map(([, row]) => row) : rows));
  };
  for (const table of all("table.sorts")) {
    const rows = [...table.tBodies[0].rows], heads = all("thead th", table);
    if (rows.length < 2) continue;
    table.classList.add("sortable");
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") ?? "none"];
        for (const other of heads) other.removeAttribute("aria-sort");
        if (next !== "none") head.setAttribute("aria-sort", next);
        sortBy(table, rows, column, { ascending: 1, descending: -1, none: 0 }[next]);
      });
    });
  }
  // A field that leaves the rows with all its words, and what belongs to them.
  for (const field of all("input[data-filters]")) {
    const rows = all(`table[data-table="${field.dataset.filters}"] tbody tr`), count = field.closest(".tools").querySelector("output");
    // A reason names lines and outcomes that the run did not have.
    const textOf = (row) => [...row.cells].filter((cell) => cell.dataset.name !== "reason").map((cell) => cell.textContent).join(" ");
    const take = () => {
      const wanted = field.value.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
      let left = 0;
      for (const row of rows) {
        const text = textOf(row).toLowerCase();
        const fits = wanted.every((word) => word.startsWith("-") ? !text.includes(word.slice(1)) : text.includes(word));
        left += fits;
        row.toggleAttribute("data-filtered", !fits);
        document.getElementById(row.dataset.part)?.toggleAttribute("data-filtered", !fits);
      }
      count.textContent = wanted.length ? `${left} of ${rows.length}` : "";
    };
    field.addEventListener("input", take);
    // A browser may bring back what was typed before.
    take();
  }

  for (const help of all(".with-script")) help.hidden = false;
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
  });
  // A link to a run unfolds it.
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    target?.removeAttribute("data-filtered");
    if (target?.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
