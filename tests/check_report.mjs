// Opens a report in headless Chromium and checks what a reader meets: two widths, both themes, values under the pointer, zoom,
// switches, print, and axe. Test only; the program needs no JavaScript engine. Set up and run:
//
//     npm install --prefix DIR puppeteer-core axe-core
//     NODE_PATH=DIR/node_modules node tests/check_report.mjs REPORT.html [PICTURES]
//
// `CHROMIUM` names the browser, by default /usr/bin/chromium. Exit code 0 when everything holds; PICTURES is a folder for
// screenshots.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.NODE_PATH ?? ".", "here.js"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [report, pictures] = process.argv.slice(2);
if (!report) {
  console.error("usage: check_report.mjs REPORT.html [PICTURES]");
  process.exit(2);
}
if (pictures) mkdirSync(pictures, { recursive: true });

let failures = 0;
const check = (holds, what, found = "") => {
  if (holds) return;
  failures += 1;
  console.error(`FAILED: ${what} ${found}`);
};

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const address = pathToFileURL(resolve(report)).href;
// What a reader must be able to reach without scrolling sideways: everything but tables and code that scroll by themselves.
const wide = () => [...document.querySelectorAll("body *")]
  .filter((node) => !node.closest(".scroll, pre, svg, .tip") && node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => `${node.tagName}.${node.className}`);

for (const width of [400, 1280]) {
  for (const theme of ["light", "dark"]) {
    const page = await browser.newPage();
    const foreign = [];
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) foreign.push(request.url());
    });
    page.on("pageerror", (error) => check(false, "the script ends without an error", error));
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
    await page.goto(address);
    check(foreign.length === 0, "nothing is loaded from elsewhere", foreign);
    const beyond = await page.evaluate(wide);
    check(beyond.length === 0, `at ${width} px nothing is off screen`, beyond.slice(0, 5));
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run()");
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    check(serious.length === 0, `axe finds nothing serious at ${width} px, ${theme}`,
      JSON.stringify(serious.map(({ id, nodes }) => [id, nodes.length, nodes[0].html.slice(0, 200), nodes[0].failureSummary])));
    if (pictures) await page.screenshot({ path: join(pictures, `report-${width}-${theme}.png`), fullPage: true });
    await page.close();
  }
}

const page = await browser.newPage();
await page.goto(address);
if (pictures) {
  // docs/images/report-many.png, of the example `synthetic` of the crate workbench-report.
  await page.setViewport({ width: 1100, height: 1420 });
  await page.screenshot({ path: join(pictures, "report-many.png") });
}
await page.setViewport({ width: 1280, height: 900 });
const plot = await page.$("figure[data-curves] svg.figure");
if (plot) {
  await plot.evaluate((node) => node.scrollIntoView({ block: "center" }));
  const { x, y, width, height } = await plot.boundingBox();
  await page.mouse.move(x + width * 0.5, y + height * 0.5);
  const tip = await page.$eval(".tip", (node) => node.hidden ? "" : node.textContent);
  check(/step \d+/.test(tip) && /: -?\d/.test(tip), "the pointer is told step and values", tip);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.7, y + height * 0.7, { steps: 4 });
  await page.mouse.up();
  const zoomed = () => plot.evaluate((node) => node.classList.contains("zoomed") && node.querySelectorAll(".new-ticks text").length);
  check(await zoomed() >= 4, "a box zooms, and the axes have new numbers", await zoomed());
  await plot.evaluate((node) => node.focus());
  await page.keyboard.press("Escape");
  check(!await zoomed(), "Escape goes back");
  await page.keyboard.press("ArrowRight");
  check(await page.$eval(".tip", (node) => !node.hidden), "arrow keys move the cursor");
  const rows = await page.$$eval("figure[data-curves] a.data", (links) => links.map((link) =>
    decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1)).trim().split("\n").length));
  check(rows.every((count) => count > 2), "every figure of curves has its numbers", rows);
}
const box = await page.$(".switches input");
if (box) {
  const shown = () => page.$$eval('svg [data-arm="0"]', (nodes) => nodes.filter((node) => getComputedStyle(node).display !== "none").length);
  const before = await shown();
  await box.click();
  check(before > 0 && await shown() === 0, "a switch takes an arm out of every figure", [before, await shown()]);
  await box.click();
  check(await shown() === before, "and brings it back");
}
const closed = await page.$$eval("details", (parts) => parts.length);
await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
const open = await page.$$eval("details[open]", (parts) => parts.length);
check(open === closed, "folded parts are open in print", [open, closed]);

await page.setJavaScriptEnabled(false);
await page.goto(address);
check((await page.$$("svg.figure")).length > 0, "figures stand without JavaScript");
await browser.close();
console.log(failures ? `${failures} failures` : "all holds");
process.exit(failures ? 1 : 0);
