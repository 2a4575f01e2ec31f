// Uses the pages as a person would, and holds them to what the API says.
// @ts-check
import { base } from "./browser.mjs";

/**
 * @param {string} key
 * @param {string} model
 */
async function chat(key, model) {
  const answer = await fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
  });
  return { id: answer.headers.get("x-request-id") ?? "", body: await answer.json() };
}

/**
 * Calls arrive on the open page by themselves, and a failed one's page has the numbers of its error body.
 * @param {import("playwright-core").Page} page
 * @param {string[]} faults
 * @param {string} key
 */
export async function makeCalls(page, faults, key) {
  await page.goto(`${base}/ui/requests`);
  await page
    .getByText(/live|Waiting for your first call/)
    .first()
    .waitFor();
  for (const model of ["demo/echo", "demo/flaky-502", "no/such-model"]) {
    const { id } = await chat(key, model);
    await page.locator(`a[href="/ui/requests/${id}"]`).waitFor({ timeout: 5_000 });
  }
  const { id, body } = await chat(key, "demo/down");
  await page.locator(`a[href="/ui/requests/${id}"]`).click();
  await page.getByTestId("attempt").first().waitFor();
  const shown = await page
    .getByTestId("attempt")
    .evaluateAll((rows) =>
      rows.map((row) =>
        ["n", "target", "code", "ms", "next"].map(
          (name) => row.querySelector(`[data-testid=attempt-${name}]`)?.textContent,
        ),
      ),
    );
  const told = body.error.goodgate.attempts.map((/** @type {any} */ one) =>
    [one.n, one.target, one.code, one.ms, one.next].map(String),
  );
  if (JSON.stringify(shown) !== JSON.stringify(told)) {
    faults.push(`the page shows ${JSON.stringify(shown)}, the client was told ${JSON.stringify(told)}`);
  }
}

/**
 * Keys, filters, the address.
 * @param {import("playwright-core").Page} page
 * @param {string[]} faults
 * @param {any[]} calls
 */
export async function use(page, faults, calls) {
  /** @param {string} what @param {unknown} is @param {unknown} should */
  const expect = (what, is, should) => {
    if (is !== should) faults.push(`${what}: ${is} instead of ${should}`);
  };
  const search = () => new URL(page.url()).search;
  const rows = page.getByTestId("request-row");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${base}/ui/requests`);
  await rows.first().waitFor();

  await page.keyboard.press(".");
  await page.getByRole("button", { name: /Go on|Show/ }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  const href = await page.evaluate(() => document.activeElement?.getAttribute("href"));
  expect(
    "j j k is at the first row",
    href,
    await rows.first().locator("[data-row-link]").getAttribute("href"),
  );
  await page.keyboard.press("Enter");
  await page.getByText("Policy decisions").waitFor();
  expect("Enter opens it", new URL(page.url()).pathname, href);
  await page.keyboard.press("4");
  await page.getByText("As the API tells it").waitFor();
  expect("the tab is in the address", search(), "?tab=raw");
  await page.keyboard.press("Escape");
  await rows.first().waitFor();

  await page.keyboard.press("f");
  await page.waitForURL(/outcome=failed/);
  const failed = calls.some((call) => call.outcome === "failed");
  await (failed
    ? page.locator("[data-testid=request-row][data-outcome=failed]").first()
    : page.getByText("No stored call")
  ).waitFor();
  await page.waitForFunction(
    () => document.querySelector("[data-testid=request-row]:not([data-outcome=failed])") === null,
  );
  await page.keyboard.press("Escape");
  await page.waitForURL((url) => url.search === "");

  await page.keyboard.press("/");
  await page.keyboard.type(`model:${calls[0].model ?? "x"}`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/model=/);
  await page.getByRole("button", { name: /^Remove model:/ }).click();
  await page.waitForURL((url) => url.search === "");

  const plot = page.getByRole("img", { name: /by outcome/ });
  const box = await plot.boundingBox();
  if (box !== null) {
    await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 2, box.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/since=\d+&until=\d+/);
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect("closing the help leaves the filters alone", /since=/.test(search()), true);

  await page.goto(`${base}/ui/providers`);
  const entries = page.locator("[data-entry]");
  await entries.first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByText("What went wrong").first().waitFor();
  expect("what is unfolded is in the address", /^\?show=./.test(search()), true);
  await page
    .getByRole("button", { name: /^Drain / })
    .first()
    .click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect("closing the dialogue drains nothing", await page.getByText("Out of use by hand").count(), 0);
}
