// Opens pages of the web UI in Debian's Chromium, one after the other in one session, and tells what is on them.
//
//   node look.mjs '{"chromium": PATH, "profile": DIR, "pages": [{"url", "text"?, "click"?, "press"?, "file"?, "dark"?, "width"?}]}'
//
// Waits on each page for `text` to be visible, clicks on the text of `click` or presses the buttons of the names
// in `press` first if there are any, saves a screenshot as `file`. Prints one line of JSON: for each page its address and text, and whatever the console complained about.
import { chromium } from "playwright-core";

const { chromium: executablePath, profile, pages } = JSON.parse(process.argv[2]);
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  viewport: { width: 1440, height: 900 },
  args: [
    "--no-sandbox", // Tests may run as root, where Chromium has no sandbox.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = context.pages()[0] ?? (await context.newPage());
const complaints = [];
const foreign = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => {
  const { hostname, protocol } = new URL(request.url());
  if (protocol.startsWith("http") && hostname !== "127.0.0.1" && hostname !== "localhost") foreign.push(request.url());
});

const seen = [];
for (const { url, text, click, press, file, dark, width } of pages) {
  await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  await page.setViewportSize({ width: width ?? 1440, height: 900 });
  if (url) await page.goto(url, { waitUntil: "load", timeout: 20_000 });
  if (click) await page.getByText(click, { exact: false }).first().click({ timeout: 15_000 });
  for (const name of press ?? []) await page.getByRole("button", { name, exact: true }).click({ timeout: 15_000 });
  if (text) await page.getByText(text, { exact: false }).first().waitFor({ timeout: 15_000 });
  if (file) await page.screenshot({ path: file, fullPage: false });
  seen.push({ url: page.url(), text: await page.locator("body").innerText() });
}
const cookies = await context.cookies();
await context.close();
console.log(JSON.stringify({ seen, complaints, foreign, cookies }));
