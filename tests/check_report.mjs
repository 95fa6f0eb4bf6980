// Opens pages of the report in headless Chromium and checks what a reader meets: two widths, both themes, values under the pointer,
// zoom, switches, sorted and filtered tables, links, print, and axe. Test only; the program needs no JavaScript engine.
// `cargo test -p workbench-report --test browser` makes pages of every kind and runs it over them. By hand:
//
//     npm install --prefix DIR puppeteer-core axe-core
//     NODE_PATH=DIR/node_modules node tests/check_report.mjs [--pictures FOLDER] PAGE.html…
//
// `CHROMIUM` names the browser, by default /usr/bin/chromium. Exit code 0 when everything holds; FOLDER gets screenshots.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.NODE_PATH ?? ".", "here.js"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const pages = process.argv.slice(2);
const pictures = pages[0] === "--pictures" ? pages.splice(0, 2)[1] : null;
if (pages.length === 0) {
  console.error("usage: check_report.mjs [--pictures FOLDER] PAGE.html…");
  process.exit(2);
}
if (pictures) mkdirSync(pictures, { recursive: true });

let [failures, checks, of] = [0, 0, ""];
const check = (holds, what, found = "") => {
  checks += 1;
  if (holds) return;
  failures += 1;
  console.error(`FAILED: ${of}: ${what} ${JSON.stringify(found) ?? ""}`);
};

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

const LOOKS = [[400, "light"], [400, "dark"], [1280, "light"], [1280, "dark"]];

// What a reader must be able to reach without scrolling sideways: everything but tables and code that scroll by themselves.
const wide = () => [...document.querySelectorAll("body *:not(svg *)")]
  .filter((node) => !node.closest(".scroll, pre, .tip") && node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => `${node.tagName}.${node.className}`);

// How the page looks, at a width and in a theme.
const look = async (page, width, theme, name) => {
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  const beyond = await page.evaluate(wide);
  check(beyond.length === 0, `at ${width} px nothing is off screen`, beyond.slice(0, 5));
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${theme}.png`), fullPage: true });
};

// What axe finds, in each width and theme. A drawing is one picture with its words; what it is drawn with has none of its own, and
// axe would take most of its time for it.
const obstacles = async (page) => {
  await page.reload();
  await page.evaluate(axe);
  await page.$$eval("svg.figure", (nodes) => nodes.forEach((node) => node.replaceChildren()));
  for (const [width, theme] of LOOKS) {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
    const { violations } = await page.evaluate("axe.run()");
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    check(serious.length === 0, `axe finds nothing serious at ${width} px, ${theme}`,
      serious.map(({ id, nodes }) => [id, nodes.length, nodes[0].html.slice(0, 200), nodes[0].failureSummary]));
  }
};

// Every figure has its numbers, its caption, and a description for who cannot see it.
const figures = async (page) => {
  const all = await page.$$eval("figure", (nodes) => nodes.map((figure) => {
    const link = figure.querySelector("a.data");
    const text = link ? decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1)) : "";
    return {
      id: figure.id,
      rows: text.trim().split("\n").length,
      caption: figure.querySelector("figcaption")?.textContent.replace("Data (CSV)", "").split(". ").length ?? 0,
      drawings: [...figure.querySelectorAll("svg")].map((svg) => svg.getAttribute("aria-label") ?? ""),
    };
  }));
  for (const { id, rows, caption, drawings } of all) {
    check(rows >= 2, "a figure has its numbers", [id, rows]);
    check(caption >= 2, "a figure has a caption behind its title", id);
    check(drawings.length > 0 && drawings.every((words) => words.length > 20), "a figure is told in words", [id, drawings]);
  }
  const ids = await page.$$eval("[id]", (nodes) => nodes.map((node) => node.id));
  check(new Set(ids).size === ids.length, "no two parts have one id", ids.filter((id, i) => ids.indexOf(id) !== i));
  return all.length;
};

const tip = (page) => page.$eval(".tip", (node) => node.hidden ? "" : node.textContent);
const isZoomed = (svg) => svg.evaluate((node) => node.classList.contains("zoomed") && node.querySelectorAll(".new-ticks text").length);
const middleOf = async (svg) => {
  await svg.evaluate((node) => node.scrollIntoView({ block: "center" }));
  const { x, y, width, height } = await svg.boundingBox();
  return (right, down) => [x + width * right, y + height * down];
};

// The pointer, a box, and keys on the first figure of a kind; returns whether there is one.
const pointed = async (page, kind, said) => {
  const svg = await page.$(`figure[data-kind="${kind}"] svg.figure:not([data-x-names])`);
  if (!svg) return false;
  const at = await middleOf(svg);
  if (kind === "marks") {
    const mark = await svg.$("g.layer[data-title] :is(circle, rect)");
    const { x, y, width, height } = await mark.boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
  } else await page.mouse.move(...at(0.5, 0.5));
  check(said.test(await tip(page)), `the pointer on ${kind} is told what lies there`, await tip(page));
  await page.mouse.move(...at(0.45, 0.4));
  await page.mouse.down();
  await page.mouse.move(...at(0.7, 0.7), { steps: 4 });
  await page.mouse.up();
  check(await isZoomed(svg) >= 3, `a box zooms ${kind}, and the axes have new numbers`, await isZoomed(svg));
  const round = await svg.$$eval("circle", (nodes) => nodes.map((node) => node.getBoundingClientRect()).map(({ width, height }) => width / height));
  check(round.every((ratio) => Math.abs(ratio - 1) < 0.05), "dots stay round", round.filter((ratio) => Math.abs(ratio - 1) >= 0.05).slice(0, 3));
  await svg.evaluate((node) => node.focus());
  await page.keyboard.press("Escape");
  check(!await isZoomed(svg), "Escape goes back");
  await page.keyboard.press("ArrowRight");
  const first = await tip(page);
  check(first !== "", "arrow keys show a first value");
  for (let i = 0; i < 3; i += 1) await page.keyboard.press("ArrowRight");
  check(await tip(page) !== first, "and go on", first);
  await page.keyboard.press("+");
  check(await isZoomed(svg) >= 3, "+ zooms by keyboard", await isZoomed(svg));
  await page.keyboard.press("-");
  check(!await isZoomed(svg), "- goes back");
  await page.evaluate(() => document.activeElement.blur());
  return true;
};

const switched = async (page) => {
  const box = await page.$(".switches input");
  if (!box) return false;
  const shown = () => box.evaluate((node) => [...document.querySelectorAll(`[data-arm="${node.dataset.arm}"]`)]
    .filter((part) => !part.closest(".switches") && getComputedStyle(part).display !== "none").length);
  const before = await shown();
  await box.click();
  check(before > 0 && await shown() === 0, "a switch takes an arm out of every figure and table", [before, await shown()]);
  await box.click();
  check(await shown() === before, "and brings it back");
  return true;
};

// A table whose head is pressed with the keyboard, and a field that leaves some rows.
const tables = async (page) => {
  const table = await page.$("table.sortable");
  if (!table) return false;
  const button = await table.$("thead th:last-of-type button");
  const column = () => table.evaluate((node) => [...node.tBodies[0].rows].map((row) => row.cells[row.cells.length - 1].textContent.trim()));
  const sorts = () => table.evaluate((node) => [...node.querySelectorAll("[aria-sort]")].map((head) => head.getAttribute("aria-sort")).join());
  const before = await column();
  await button.focus();
  await page.keyboard.press("Enter");
  const up = await column();
  check(await sorts() === "ascending", "a head that sorts says so", await sorts());
  await page.keyboard.press("Enter");
  const down = await column();
  const known = (cells) => cells.filter((cell) => cell !== "–");
  check(JSON.stringify(known(down)) === JSON.stringify(known(up).reverse()) || new Set(up).size < up.length, "and the other way", [up, down]);
  await page.keyboard.press("Enter");
  check(JSON.stringify(await column()) === JSON.stringify(before), "and goes back", await column());
  const field = await page.$("input[data-filters]");
  if (!field) return false;
  const rows = () => field.evaluate((node) => [...document.querySelectorAll(`table[data-table="${node.dataset.filters}"] tbody tr`)]
    .map((row) => [getComputedStyle(row).display !== "none", getComputedStyle(document.getElementById(row.dataset.part)).display !== "none", row.querySelector("th").textContent]));
  const all = await rows();
  const word = all.at(-1)[2].trim();
  await field.type(word);
  const some = await rows();
  check(some.filter(([shown]) => shown).length < all.length && some.at(-1)[0], "a word leaves the rows that have it", word);
  check(some.every(([row, part]) => row === part), "and what belongs to them", word);
  check(await field.evaluate((node) => / of /.test(node.closest(".tools").textContent)), "and they are counted");
  await field.evaluate((node) => { node.value = ""; node.dispatchEvent(new Event("input")); });
  check((await rows()).every(([shown]) => shown), "all come back");
  return true;
};

// Links to runs unfold what they name.
const links = async (page) => {
  const dead = await page.$$eval('a[href^="#"]', (nodes) => nodes.map((node) => node.hash.slice(1)).filter((id) => !document.getElementById(id)));
  check(dead.length === 0, "every link within the page has an end", dead.slice(0, 5));
  const link = await page.$('.runs a[href^="#run-"]');
  if (!link) return false;
  await link.evaluate((node) => node.click());
  const open = await page.evaluate(async () => {
    await new Promise((done) => setTimeout(done, 50));
    return document.getElementById(location.hash.slice(1)).open;
  });
  check(open, "a link to a run unfolds it");
  return true;
};

const printed = async (page) => {
  const closed = await page.$$eval("details", (parts) => parts.length);
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  const open = await page.$$eval("details[open]", (parts) => parts.length);
  check(open === closed, "folded parts are open in print", [open, closed]);
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
};

const seen = {};
for (const file of pages) {
  const name = basename(file, ".html");
  of = name;
  const page = await browser.newPage();
  page.on("request", (request) => check(/^(file|data|blob):/.test(request.url()), "nothing is loaded from elsewhere", request.url()));
  page.on("pageerror", (error) => check(false, "the script ends without an error", String(error)));
  await page.goto(pathToFileURL(resolve(file)).href);
  for (const [width, theme] of LOOKS) await look(page, width, theme, name);
  const does = { figures: await figures(page) };
  for (const [kind, said] of Object.entries({ curves: /(step|token|sample|layer)s? [\d.]+.*: -?\d/, map: /step \d+, layer \d/, marks: /: .*\d/ })) {
    does[kind] = await pointed(page, kind, said);
  }
  Object.assign(does, { switches: await switched(page), tables: await tables(page), links: await links(page) });
  for (const [what, found] of Object.entries(does)) seen[what] = (seen[what] ?? 0) + Number(found);
  await printed(page);
  await obstacles(page);
  await page.setJavaScriptEnabled(false);
  await page.reload();
  check((await page.$$("svg.figure")).length >= does.figures, "figures stand without JavaScript");
  await page.close();
}
// One page need not have everything, and all together must, so that nothing passes because it was not there.
if (pages.length > 1) {
  of = "all pages";
  for (const [what, count] of Object.entries(seen)) check(count > 0, `some page has ${what}`);
}
await browser.close();
console.log(failures ? `${failures} of ${checks} checks failed` : `${checks} checks hold over ${pages.length} pages`);
process.exit(failures ? 1 : 0);
