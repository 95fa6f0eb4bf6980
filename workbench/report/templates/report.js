"use strict";
// Makes the page answer: values under the pointer, zoom, switches for arms. Without it every figure, table and link still stands.
(() => {
  const all = (query, node = document) => [...node.querySelectorAll(query)];
  const svgNode = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const hidden = new Set();

  // The rows of a CSV file (RFC 4180) that stands in a link.
  const rowsOf = (href) => {
    const text = decodeURIComponent(href.slice(href.indexOf(",") + 1)).trimEnd();
    return text.split("\n").slice(1).map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((cell) => cell[1]?.replaceAll('""', '"') ?? cell[2]));
  };

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
  tip.hidden = true;
  document.body.append(tip);
  const showTip = (html, x, y) => {
    tip.replaceChildren(...html);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, y + 18 + height > innerHeight ? y - height - 12 : y + 18)}px`;
  };

  // One SVG of curves with the numbers behind them.
  class Plot {
    constructor(svg, data) {
      const xName = data.href.slice(data.href.indexOf(",") + 1).split(",", 1)[0];
      Object.assign(this, { svg, data, xName });
      const [left, top, right, bottom] = svg.dataset.box.split(" ").map(Number);
      Object.assign(this, { left, top, right, bottom });
      this.home = [svg.dataset.x, svg.dataset.y];
      this.arms = new Map(all("g.layer[data-arm]", svg).filter((layer) => layer.firstChild?.nodeName === "title")
        .map((layer) => [layer.firstChild.textContent, layer.dataset.arm]));
      const clip = svgNode("clipPath", { id: `${svg.getAttribute("aria-labelledby").split(" ")[0]}-clip` });
      clip.append(svgNode("rect", { x: left, y: top, width: right - left, height: bottom - top }));
      this.inside = svgNode("g", { class: "inside" });
      this.moved = svgNode("g", {});
      this.inside.append(this.moved);
      this.ticks = svgNode("g", { class: "new-ticks" });
      this.cursor = svgNode("line", { class: "cursor", y1: top, y2: bottom, visibility: "hidden" });
      this.box = svgNode("rect", { class: "box", visibility: "hidden" });
      const layers = all("g.layer", svg);
      layers[0]?.before(this.inside);
      this.moved.append(...layers);
      svg.prepend(clip);
      svg.append(this.ticks, this.cursor, this.box);
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
      this.svg.classList.remove("zoomed");
      this.moved.removeAttribute("transform");
      this.inside.removeAttribute("clip-path");
      this.ticks.replaceChildren();
    }
    at(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      return [Math.min(this.right, Math.max(this.left, point.x)), Math.min(this.bottom, Math.max(this.top, point.y))];
    }
    // The step that was recorded nearest to a pixel.
    nearest(pixel) {
      this.steps ??= [...new Set(this.rows().map((row) => +row[0]))].sort((a, b) => a - b);
      const wanted = this.x.value(pixel);
      return this.steps.reduce((best, step) => Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best, this.steps[0]);
    }
    rows() {
      this.all ??= rowsOf(this.data.href).filter((row) => this.arms.has(row[1]));
      return this.all;
    }
    // Line and box at a step, with the value of every arm that is shown, the largest first.
    point(step, x, y) {
      this.step = step;
      const pixel = this.x.pixel(step);
      this.cursor.setAttribute("x1", pixel);
      this.cursor.setAttribute("x2", pixel);
      this.cursor.setAttribute("visibility", "visible");
      const shown = this.rows().filter((row) => +row[0] === step && !hidden.has(this.arms.get(row[1])));
      shown.sort((a, b) => b[3] - a[3]);
      const line = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
      const lines = shown.map((row) => {
        const [, arm, low, median, high, lost] = row;
        const range = low === high ? "" : ` (${words(+low)} to ${words(+high)})`;
        return line("div", `${arm}: ${median === "" ? "" : words(+median) + range}${lost === "1" ? " not finite in some run" : ""}`);
      });
      showTip([line("strong", `${this.xName} ${step}`), ...lines], x, y);
    }
    move(event) {
      const [x, y] = this.at(event);
      if (this.start) {
        const [x0, y0] = this.start;
        const place = { x: Math.min(x, x0), y: Math.min(y, y0), width: Math.abs(x - x0), height: Math.abs(y - y0) };
        for (const [key, value] of Object.entries(place)) this.box.setAttribute(key, value);
        this.box.setAttribute("visibility", place.width > 8 ? "visible" : "hidden");
      }
      this.point(this.nearest(x), event.clientX, event.clientY);
    }
    leave() {
      tip.hidden = true;
      this.cursor.setAttribute("visibility", "hidden");
    }
    press(event) {
      if (event.button !== 0 || event.pointerType === "touch") return;
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
      const middle = this.step === undefined ? (this.left + this.right) / 2 : this.x.pixel(this.step);
      const near = (share) => {
        const [below, above] = [(middle - this.left) * share, (this.right - middle) * share];
        this.zoom([middle - below, middle + above], [this.top, this.bottom]);
      };
      const walk = (by) => {
        const nearest = this.nearest(middle);
        const place = this.steps.indexOf(nearest) + by;
        const step = this.steps[Math.min(this.steps.length - 1, Math.max(0, place))];
        const { left, top } = this.svg.getBoundingClientRect();
        this.point(step, left + 40, top + 40);
      };
      const actions = { ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), "+": () => near(0.5), "-": () => this.reset(), Escape: () => this.reset() };
      const action = actions[event.key];
      if (action) {
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
      const [sx, tx] = fit(this.x, this.home[0], this.left, this.right);
      const [sy, ty] = fit(this.y, this.home[1], this.bottom, this.top);
      this.moved.setAttribute("transform", `matrix(${sx} 0 0 ${sy} ${tx} ${ty})`);
      this.inside.setAttribute("clip-path", this.clip);
      this.svg.classList.add("zoomed");
      this.leave();
      this.drawTicks();
    }
    drawTicks() {
      const marks = [];
      const text = (x, y, anchor, value) => {
        const node = svgNode("text", { x, y, "text-anchor": anchor, "font-size": 26 });
        node.textContent = words(value);
        marks.push(node);
      };
      for (const tick of this.x.ticks()) {
        const x = this.x.pixel(tick);
        marks.push(svgNode("line", { x1: x, x2: x, y1: this.top, y2: this.bottom }));
        text(x, this.bottom + 30, "middle", tick);
      }
      for (const tick of this.y.ticks()) {
        const y = this.y.pixel(tick);
        marks.push(svgNode("line", { x1: this.left, x2: this.right, y1: y, y2: y }));
        text(this.left - 10, y + 9, "end", tick);
      }
      this.ticks.replaceChildren(...marks);
    }
  }

  for (const figure of all("figure[data-curves]")) {
    const data = figure.querySelector("a.data");
    for (const svg of data ? all("svg.figure", figure) : []) new Plot(svg, data);
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
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target?.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
