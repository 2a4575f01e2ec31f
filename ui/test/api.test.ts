import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ui = join(import.meta.dirname, "..");

test("the client is the one that the API's description gives; if not: npm run api", () => {
  const folder = mkdtempSync(join(tmpdir(), "goodgate-api-"));
  try {
    const made = join(folder, "schema.d.ts");
    const program = join(ui, "node_modules", "openapi-typescript", "bin", "cli.js");
    execFileSync(process.execPath, [program, join("..", "crates", "admin", "openapi.json"), "-o", made], {
      cwd: ui,
    });
    expect(readFileSync(join(ui, "src", "api", "schema.d.ts"), "utf8")).toBe(readFileSync(made, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 30_000);
