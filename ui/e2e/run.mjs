// Looks at the pages in a real browser, against a running gateway, and uses them: saves screenshots, and fails on what
// axe-core calls serious, on complaints of the console, on requests to anyone but the gateway, and on pages that do not
// do what they should.
//
//   BASE_URL=http://127.0.0.1:4000 LINK="$(goodgate ui)" KEY="$(cat …/first-key)" npm run e2e
//
// LINK signs the browser in, once. With KEY, the gateway is called as well (its demo models must be on). Other settings:
// CHROMIUM (the browser), SCREENSHOTS (the folder; ../target/screenshots).
// @ts-check
import { base, start } from "./browser.mjs";
import { looks } from "./look.mjs";
import { makeCalls, use } from "./use.mjs";

const { page, faults, end } = await start();
try {
  await page.goto(process.env.LINK?.trim() || `${base}/ui/`);
  await page.getByRole("navigation").waitFor();
  const stored = () =>
    page.evaluate(async () => (await (await fetch("/api/v1/requests?limit=200")).json()).requests ?? []);
  if ((await stored()).length === 0) await looks(page, faults, []);
  if (process.env.KEY) await makeCalls(page, faults, process.env.KEY.trim());
  const calls = await stored();
  console.log(`${calls.length} calls`);
  if (calls.length > 0) {
    await looks(page, faults, calls);
    await use(page, faults, calls);
  }
} catch (error) {
  faults.push(String(error));
} finally {
  await end();
}
console.log(faults.length === 0 ? "fine" : faults.join("\n"));
process.exitCode = faults.length === 0 ? 0 : 1;
