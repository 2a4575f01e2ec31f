// Each page in each size and scheme, as pictures and as axe-core sees it.
// @ts-check
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { base } from "./browser.mjs";

const folder = process.env.SCREENSHOTS ?? join(import.meta.dirname, "..", "..", "target", "screenshots");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * @param {import("playwright-core").Page} page
 * @param {string[]} faults
 * @param {any[]} calls
 */
export async function looks(page, faults, calls) {
  mkdirSync(folder, { recursive: true });
  /**
   * One look: the page in one size and scheme, with its screenshot and what axe-core says of it.
   * @param {string} name
   * @param {{ path?: string, text?: string, width?: number, height?: number, dark?: boolean, whole?: boolean, act?: () => Promise<unknown> }} how
   */
  async function look(name, { path, text, width = 1440, height = 900, dark = false, whole = false, act }) {
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light", reducedMotion: "reduce" });
    await page.setViewportSize({ width, height });
    if (path !== undefined) await page.goto(path.startsWith("http") ? path : `${base}${path}`);
    if (act !== undefined && path === undefined) await act();
    if (text !== undefined) await page.getByText(text, { exact: false }).first().waitFor({ timeout: 15_000 });
    if (act !== undefined && path !== undefined) await act();
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: whole });
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      // @ts-expect-error axe was just put there.
      const { violations } = await window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      });
      return violations.map((/** @type {any} */ one) => ({
        id: one.id,
        impact: one.impact,
        where: one.nodes
          .slice(0, 4)
          .map((/** @type {any} */ node) => `${node.target.join(" ")}  ${node.any[0]?.message ?? ""}`),
      }));
    });
    for (const { id, impact, where } of found) {
      const line = `${name}: ${impact} ${id}\n    ${where.join("\n    ")}`;
      if (impact === "serious" || impact === "critical") faults.push(line);
      else console.log(line);
    }
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (wide > 0) faults.push(`${name}: the page is ${wide} px wider than the screen`);
  }

  if (calls.length === 0) {
    await look("empty", { path: "/ui/requests", text: "Waiting for your first call" });
    await look("empty-dark", { dark: true });
    await look("empty-narrow", { width: 400, height: 860, whole: true });
  } else {
    await look("requests", { path: "/ui/requests", text: "Last hour" });
    await look("requests-dark", { dark: true });
    await look("requests-tablet", { width: 1000 });
    await look("requests-narrow", { width: 400, height: 860 });
    // 200 % zoom of a 1280 px screen is a page of 640 px.
    await look("requests-zoom", { width: 640, height: 450 });
    await look("requests-focus", {
      act: async () => {
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("j");
      },
    });
    await look("requests-filtered", {
      path: "/ui/requests?outcome=failed,recovered&last=60",
      text: "Requests",
    });
    await look("requests-table", { act: () => page.getByRole("button", { name: "Table" }).click() });
    await look("help", { act: () => page.keyboard.press("?") });
    for (const outcome of ["failed", "recovered", "refused", "ok", "cancelled"]) {
      const one = calls.find((/** @type {any} */ call) => call.outcome === outcome);
      if (one === undefined) continue;
      const path = `/ui/requests/${one.id}`;
      await look(`request-${outcome}`, { path, text: one.id });
      if (outcome === "failed" || outcome === "recovered") {
        await look(`request-${outcome}-dark`, { dark: true });
        await look(`request-${outcome}-narrow`, { width: 400, height: 860, whole: true });
        await look(`request-${outcome}-evidence`, {
          whole: true,
          act: () =>
            page
              .getByRole("button", { name: /^Evidence/ })
              .first()
              .click(),
        });
      }
      if (outcome === "failed") {
        await look("request-code", { path: `${path}?tab=code`, text: "In code", whole: true });
        await look("request-code-narrow", { width: 400, height: 860, whole: true });
        await look("request-policy", { path: `${path}?tab=policy`, text: "Decisions" });
        await look("request-raw", { path: `${path}?tab=raw`, text: "As the API tells it" });
        await look("error", { path: `/ui/errors/${one.code}`, text: "At a glance", whole: true });
        await look("error-dark", { dark: true });
        await look("error-narrow", { width: 400, height: 860, whole: true });
      }
    }
    await look("providers", { path: "/ui/providers", text: "Providers" });
    await look("providers-shown", {
      act: () => page.locator("[data-entry]").first().click(),
      text: "What went wrong",
      whole: true,
    });
    await look("providers-shown-dark", { dark: true, whole: true });
    await look("providers-tablet", { width: 1000, whole: true });
    await look("providers-narrow", { width: 400, height: 860, whole: true });
    await look("providers-drain", {
      act: () =>
        page
          .getByRole("button", { name: /^Drain / })
          .first()
          .click(),
    });
    await look("providers-drain-dark", { dark: true, width: 400, height: 860 });
    await look("incidents", { path: "/ui/incidents", text: "Failures of one cause" });
    await look("incidents-dark", { dark: true });
    await look("incidents-narrow", { width: 400, height: 860, whole: true });
    const incident = await page
      .locator("a[href*='/ui/incidents/inc_']")
      .first()
      .getAttribute("href", { timeout: 1_000 })
      .catch(() => null);
    if (incident !== null) {
      await look("incident", { path: incident, text: "The last calls that met it", whole: true });
      await look("incident-dark", { dark: true, whole: true });
      await look("incident-narrow", { width: 400, height: 860, whole: true });
    }
    await look("errors", { path: "/ui/errors", text: "Every failure has one name" });
    await look("errors-narrow", { width: 400, height: 860 });
    await look("missing", { path: "/ui/requests/req_00000000000000000000000000", text: "not stored" }).catch(
      (error) => faults.push(String(error)),
    );
  }
}
