// The browser, and what it must not do: complain, or ask anyone but the gateway.
// @ts-check
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const base = (process.env.BASE_URL ?? "http://127.0.0.1:4000").replace(/\/$/, "");

export async function start() {
  const profile = mkdtempSync(join(tmpdir(), "goodgate-look-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1440, height: 900 },
    args: [
      "--no-sandbox", // Tests may run as root, where Chromium has no sandbox.
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  /** @type {string[]} */
  const faults = [];
  page.on("console", (message) => {
    // A page about a request that is not there asks for it: that answer is the point.
    const expected = /status of 404/.test(message.text()) && /00000000$/.test(message.location().url);
    if (message.type() === "error" && !expected)
      faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => faults.push(`page: ${error}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== new URL(base).origin)
      faults.push(`foreign: ${url}`);
  });
  const end = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { page, faults, end };
}
