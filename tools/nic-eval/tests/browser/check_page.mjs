// Opens pages of nic-eval in Chromium and uses them as a reader would. Arguments: the browser; the page; one with long
// names and a bad point; one without the exact pictures beside it; one that holds them; one with sweeps of an option; and
// further pages, with gaps, of which every point is only selected once.
// Prints one line for each check that held; the first that does not ends with its name and an exit code of 1.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, file, long, alone, full, realism, ...others] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const complaints = [];

const open = async (options = {}, path = file) => {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && path !== alone && complaints.push(message.text()));
  page.on("dialog", (dialog) => complaints.push(`runs what it should show: ${dialog.message()}`) && dialog.dismiss());
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => /^(file|data):/.test(request.url()) || complaints.push(`loads ${request.url()}`));
  await page.goto(pathToFileURL(path).href);
  return page;
};

const check = async (name, work) => {
  try {
    await work();
    console.log(`ok: ${name}`);
  } catch (error) {
    console.error(`failed: ${name}\n${error.message}`);
    await browser.close();
    process.exit(1);
  }
};

const centre = async (locator) => {
  const box = await locator.boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2, left: box.x, width: box.width };
};

const page = await open();
const point = (key) => page.locator(`.point[data-key="${key}"]`);
const text = (selector) => page.locator(selector).innerText();
const handle = page.locator(".handle");
const stage = page.locator(".stage");
const split = async () => Number(await handle.getAttribute("aria-valuenow"));
const zoom = async () => parseInt(await text("#zoom-value"), 10);
const pixels = (selector) => page.locator(selector).evaluate((image) => [image.naturalWidth, image.naturalHeight]);

await check("the chart has every point and the published curve is dashed", async () => {
  await page.locator(".point").first().waitFor();
  assert.equal(await page.locator(".point").count(), 9); // 3 + 3 + 1 + 2
  const dash = await page.locator(".curve.published path.line").evaluate((line) => getComputedStyle(line).strokeDasharray);
  assert.notEqual(dash, "none");
  assert.match(await text("#chart"), /PSNR \(dB\)/);
});

await check("hovering shows the point", async () => {
  const { x, y } = await centre(point("0.1"));
  await page.mouse.move(x + 5, y + 4);
  const shown = await text(".tooltip");
  assert.match(shown, /mini <b>, quality 50/);
  assert.match(shown, /0\.500 bpp · PSNR 30\.00 dB/);
  assert.match(shown, /encodes in 120 ms, decodes in 90 ms/);
  await page.mouse.move(2, 2);
  assert.equal(await page.locator(".tooltip").isVisible(), false);
});

await check("a click selects: details, the codec on the right, the rate", async () => {
  const { x, y } = await centre(point("1.2"));
  await page.mouse.click(x, y);
  assert.equal(await point("1.2").getAttribute("aria-pressed"), "true");
  const details = await text("#details");
  assert.match(details, /jpeg, quality 90/);
  assert.match(details, /one\.png/);
  assert.equal(await page.locator("#right").inputValue(), "1");
  await page.waitForFunction(() => /quality 90/.test(document.querySelector(".captions [data-side=right]").innerText));
});

await check("the keyboard moves among points and selects", async () => {
  await page.locator('.point[tabindex="0"]').focus();
  const at = () => page.evaluate(() => document.activeElement.dataset.key);
  assert.equal(await at(), "1.2");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await at(), "1.1");
  await page.keyboard.press("ArrowUp"); // the codec lies above
  assert.equal(await at(), "0.1");
  assert.match(await text(".tooltip"), /quality 50/);
  await page.keyboard.press("Enter");
  assert.match(await text("#details"), /mini <b>, quality 50/);
  assert.equal(await page.locator('.point[aria-pressed="true"]').count(), 1);
  assert.equal(await page.locator('.point[tabindex="0"]').count(), 1);
});

await check("legend, metric and axis change the chart", async () => {
  const button = page.locator("#legend button").nth(1);
  await button.click();
  assert.equal(await page.locator(".point").count(), 6);
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  await button.click();
  await page.locator("#metric").selectOption("ms-ssim");
  assert.equal(await page.locator(".point").count(), 5); // only two curves have it
  await page.locator("#rate-axis").selectOption("log");
  assert.equal(await page.locator(".point").count(), 5);
  await page.locator("#metric").selectOption("psnr");
  await page.locator("#rate-axis").selectOption("linear");
  assert.equal(await page.locator(".point").count(), 9);
});

await check("the differences sort, unknown ones last", async () => {
  const names = () => page.locator("#differences tbody tr td:first-child").allInnerTexts();
  const doubtful = "vtm\nnot comparable: published for the 24 Kodak pictures, measured on others";
  assert.deepEqual(await names(), ["mini <b>", "single", doubtful]);
  assert.match(await text("#differences tbody"), /−34\.0 %/);
  await page.locator("#differences th button").nth(0).click();
  await page.locator("#differences th button").nth(0).click();
  assert.deepEqual(await names(), ["single", "mini <b>", doubtful]);
  assert.equal(await page.locator("#differences th").nth(0).getAttribute("aria-sort"), "descending");
});

await check("only figures that can be compared are praised", async () => {
  const classes = (row) => page.locator("#differences tbody tr", { hasText: row }).locator("td:not(:first-child)").evaluateAll((cells) => cells.map((cell) => cell.className));
  assert.deepEqual(await classes("mini"), ["better", "better"]);
  assert.deepEqual(await classes("vtm"), ["", ""]);
});

await check("the pictures open at the rate at which both sides match best", async () => {
  const fresh = await open();
  await fresh.waitForFunction(() => document.querySelector(".captions").innerText.includes("bpp"));
  const rates = (await fresh.locator(".captions").innerText()).match(/[\d.]+(?= bpp)/g).map(Number);
  assert.deepEqual(rates, [0.912, 0.96]); // of 0.288 and 0.24, 0.528 and 0.48, 0.912 and 0.96
  await fresh.context().close();
});

await check("exact pictures take the places of their previews, and only these are loaded", async () => {
  await page.waitForFunction(() => [...document.querySelectorAll(".layer img")].every((image) => !image.src.startsWith("data:")));
  const [left, right] = await page.locator(".layer img").evaluateAll((images) => images.map((image) => image.getAttribute("src")));
  assert.match(left, /^(codec|baseline)-\d-(one|two)\.webp$/);
  assert.notEqual(left, right);
  assert.equal(await page.locator("#show-difference").isEnabled(), true);
});

await check("pictures show both sides with figures of that very picture", async () => {
  await page.locator("#left").selectOption("original");
  await page.locator("#right").selectOption("0");
  await page.locator("#rate").selectOption({ index: 0 });
  await page.waitForFunction(() => /0\.240 bpp/.test(document.querySelector(".captions [data-side=right]").innerText));
  assert.match(await text(".captions"), /Original/);
  assert.match(await text(".captions"), /0\.240 bpp · PSNR 27\.50 dB/);
  assert.deepEqual(await pixels("[data-side=left] img"), [96, 64]);
  const sources = await page.locator(".layer img").evaluateAll((images) => images.map((image) => image.src));
  assert.notEqual(sources[0], sources[1]);
});

await check("the slider follows mouse and keys", async () => {
  await stage.scrollIntoViewIfNeeded();
  const from = await centre(handle);
  const whole = await centre(stage);
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(whole.left + whole.width * 0.25, from.y, { steps: 4 });
  await page.mouse.up();
  assert.ok(Math.abs((await split()) - 25) <= 1, `after dragging: ${await split()}`);
  assert.ok(Math.abs((await centre(handle)).x - (whole.left + whole.width * 0.25)) < 3);
  await page.mouse.move(whole.left + whole.width * 0.9, from.y);
  assert.ok(Math.abs((await split()) - 25) <= 1, "moves only while dragged");
  await handle.focus();
  const before = await split();
  await page.keyboard.press("ArrowRight");
  assert.ok((await split()) > before);
  await page.keyboard.press("Home");
  assert.equal(await split(), 0);
  await page.keyboard.press("End");
  assert.equal(await split(), 100);
  assert.match(await handle.getAttribute("aria-valuetext"), /100 % Original/);
});

await check("wheel, keys and buttons zoom; dragging moves the enlarged picture, its handle the border", async () => {
  await page.locator("#left").selectOption("1");
  const first = await zoom();
  const middle = await centre(stage);
  await page.mouse.move(middle.x, middle.y);
  await page.mouse.wheel(0, -100);
  await page.waitForFunction((old) => parseInt(document.querySelector("#zoom-value").innerText, 10) > old, first);
  await page.locator("#zoom-reset").click();
  assert.equal(await zoom(), first);
  await stage.focus();
  await page.keyboard.press("+");
  const larger = await zoom();
  assert.ok(larger > first);
  await page.locator("#zoom-in").click();
  assert.ok((await zoom()) > larger);
  assert.equal(await page.locator("[data-side=left] img").evaluate((image) => getComputedStyle(image).imageRendering), "pixelated");
  const place = () => page.locator("[data-side=left] img").evaluate((image) => image.style.transform);
  const [old, border] = [await place(), await split()];
  const now = await centre(stage); // the page may have scrolled to the button
  await page.mouse.move(now.x + 100, now.y + 60);
  await page.mouse.down();
  await page.mouse.move(now.x + 60, now.y + 30, { steps: 3 });
  await page.mouse.up();
  assert.notEqual(await place(), old);
  assert.equal(await split(), border);
  await handle.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("-");
  await page.keyboard.press("0");
  assert.equal(await zoom(), first);
});

await check("the original can be laid over both", async () => {
  await page.locator("#show-original").click();
  assert.equal(await page.locator("[data-side=original]").isVisible(), true);
  await stage.focus();
  await page.keyboard.press("o");
  assert.equal(await page.locator("[data-side=original]").isVisible(), false);
});

await check("the difference of both sides is dark where they agree", async () => {
  const blank = await (await browser.newContext()).newPage(); // where the page's policy does not hold
  await page.bringToFront();
  const shade = async () => {
    const shot = await stage.screenshot({ animations: "disabled" });
    return blank.evaluate(async (base64) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
      const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
      canvas.drawImage(image, 0, 0);
      const { data } = canvas.getImageData(image.width / 4, image.height / 4, image.width / 8, image.height / 8);
      return data.filter((_, index) => index % 4 < 3).reduce((sum, value) => sum + value, 0) / data.length;
    }, shot.toString("base64"));
  };
  await page.locator("#left").selectOption("original");
  await page.locator("#right").selectOption("original");
  const plain = await shade();
  await stage.focus();
  await page.keyboard.press("d");
  assert.ok((await shade()) < plain / 10, `${await shade()} of ${plain}`);
  await page.locator("#right").selectOption("0");
  await page.waitForFunction(() => /mini/.test(document.querySelector(".captions [data-side=right]").innerText));
  assert.ok((await shade()) > 5);
  await page.locator("#show-difference").click();
  assert.equal(await handle.isVisible(), true);
  await page.locator("#left").selectOption("1");
  await blank.context().close();
});

await check("another picture keeps the choices; gaps leave the page whole", async () => {
  await page.locator("#picture").selectOption({ index: 1 });
  await page.waitForFunction(() => document.querySelector("[data-side=left] img").naturalWidth === 64);
  assert.equal(await page.locator("#right").inputValue(), "0");
  assert.equal(await page.locator("#left").inputValue(), "1");
});

const background = (shown) => shown.evaluate(() => getComputedStyle(document.body).backgroundColor);
const brightness = async (shown) => (await background(shown)).match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);

await check("light and dark follow the system and the button", async () => {
  assert.ok((await brightness(page)) > 600);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.ok((await brightness(page)) < 150);
  await page.locator("#theme").click();
  assert.ok((await brightness(page)) > 600);
});

await check("a phone has no sideways scrolling and takes a touch", async () => {
  const phone = await open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await phone.locator(".point").first().waitFor();
  await phone.locator('.point[data-key="0.1"]').tap();
  assert.match(await phone.locator("#details").innerText(), /quality 50/);
  const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  const border = phone.locator(".handle");
  await border.scrollIntoViewIfNeeded();
  const { x, y } = await centre(border);
  const touch = await phone.context().newCDPSession(phone);
  for (const [type, touchPoints] of [["touchStart", [{ x, y }]], ["touchMove", [{ x: x - 60, y }]], ["touchEnd", []]]) {
    await touch.send("Input.dispatchTouchEvent", { type, touchPoints });
  }
  assert.ok(Number(await border.getAttribute("aria-valuenow")) < 40, "the border follows the finger");
  await phone.context().close();
});

for (const width of [420, 700, 1280]) {
  await check(`everything fits into ${width} pixels, also with long names`, async () => {
    for (const path of [file, long]) {
      const narrow = await open({ viewport: { width, height: 900 } }, path);
      await narrow.locator(".point").first().waitFor();
      await narrow.waitForFunction(() => document.querySelector(".captions").innerText.includes("bpp"));
      const wide = await narrow.evaluate(() => {
        const right = document.documentElement.clientWidth;
        const parts = [...document.querySelectorAll("section, select, button, td, h1, h2, p, .scroll, svg")].filter((node) => node.checkVisibility());
        const out = parts.filter((node) => node.getBoundingClientRect().right > right + 0.5 || node.getBoundingClientRect().left < -0.5);
        const hidden = [...document.querySelectorAll("#differences .scroll")].filter((node) => node.scrollWidth > node.clientWidth);
        return [...out, ...hidden].map((node) => `${node.tagName} ${node.id} ${node.className}`);
      });
      assert.deepEqual(wide, []);
      await narrow.context().close();
    }
  });
}

await check("a bad point is marked at the border and named, and seen if asked for", async () => {
  const shown = await open({}, long);
  await shown.locator(".point.stray").waitFor();
  assert.equal(await shown.locator(".point.stray").count(), 1);
  assert.match(await shown.locator("#outside").innerText(), /Off the axes, at the border: mini .*, quality 75 \(0\.700 bpp, PSNR 3\.00 dB\)/);
  const ticks = () => shown.locator('#chart text[text-anchor="end"]').allTextContents();
  const lowest = async () => Math.min(...(await ticks()).map(Number).filter(Number.isFinite));
  assert.ok((await lowest()) > 20);
  await shown.locator(".point.stray").focus();
  await shown.keyboard.press("Enter");
  assert.match(await shown.locator("#details").innerText(), /quality 75/);
  await shown.locator("#extent").selectOption("all");
  assert.ok((await lowest()) <= 5);
  assert.equal(await shown.locator(".point.stray").count(), 0);
  await shown.locator("#metric").selectOption("lpips");
  assert.match(await shown.locator("#outside").innerText(), /Without LPIPS: jpeg.*, single.*, vtm/);
  await shown.context().close();
});

await check("one metric is drawn over another, with a line for each sweep", async () => {
  const shown = await open({}, realism);
  await shown.locator(".point").first().waitFor();
  assert.equal(await shown.locator(".point").count(), 6);
  assert.equal(await shown.locator("path.sweep").count(), 0);
  await shown.locator("#over").selectOption("fid");
  assert.equal(await shown.locator(".point").count(), 5); // one has no FID
  assert.equal(await shown.locator("path.sweep").count(), 2);
  assert.equal(await shown.locator(".curve path.line").count(), 1); // mini is in no sweep
  assert.equal(await shown.locator("#extent").isDisabled(), true);
  assert.match(await shown.locator("#chart").innerText(), /FID, lower is better/);
  assert.match(await shown.locator("#outside").innerText(), /Lines: egic, quality 0, realism 0 to 1; egic, quality 1/);
  const at = async (key) => centre(shown.locator(`.point[data-key="${key}"]`));
  const [plain, real] = [await at("0.0"), await at("1.0")];
  assert.ok(plain.x > real.x && plain.y < real.y, "the lower FID lies to the left, the higher PSNR above");
  await shown.mouse.move(plain.x + 1, plain.y + 1);
  assert.match(await shown.locator(".tooltip").innerText(), /0\.100 bpp · PSNR 30\.00 dB · FID 40\.00/);
  await shown.locator("#legend button").nth(1).click(); // without one of its curves a sweep has no line
  assert.equal(await shown.locator("path.sweep").count(), 0);
  await shown.locator("#over").selectOption("");
  assert.equal(await shown.locator("#extent").isDisabled(), false);
  assert.equal(await shown.locator(".point").count(), 4);
  await shown.context().close();
});

await check("a page without its pictures shows previews and says so; one that holds them does not need to", async () => {
  for (const [path, says] of [[alone, true], [full, false]]) {
    const shown = await open({}, path);
    await shown.waitForFunction(() => document.querySelector("[data-side=left] img").naturalWidth === 96);
    await shown.waitForFunction((previewed) => /Shown are previews/.test(document.querySelector("#match").innerText) === previewed, says);
    assert.equal(await shown.locator("#show-difference").isDisabled(), says);
    await shown.context().close();
  }
});

await check("without scripts there is a table of points", async () => {
  const plain = await open({ javaScriptEnabled: false });
  assert.match(await plain.locator("main").innerText(), /quality 50/);
  assert.equal(await plain.locator("#chart").isVisible(), false);
  await plain.context().close();
});

await check("pages with gaps work too", async () => {
  for (const path of others) {
    const other = await open({}, path);
    for (const item of await other.locator(".point").all()) {
      await item.focus();
      await other.keyboard.press("Enter");
      assert.equal(await item.getAttribute("aria-pressed"), "true");
    }
    await other.context().close();
  }
});

await check("nothing was complained about or loaded from elsewhere", () => assert.deepEqual(complaints, []));
await browser.close();
