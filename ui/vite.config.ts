import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The entry's JavaScript may weigh so much, compressed; every page waits for it. */
const MOST_ENTRY_BYTES = 300_000;

/** Where `npm run dev` sends API calls: a gateway, or the mock server of dev/. */
const GATEWAY = process.env.GOODGATE_URL ?? "http://127.0.0.1:4000";

/** Writes a .br and a .gz beside each asset that shrinks, since the binary embeds and serves them as they are. */
function compressed(): Plugin {
  let folder = "dist";
  return {
    name: "goodgate-compressed",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    writeBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk" || !file.isEntry) continue;
        const weight = gzipSync(file.code, { level: 9 }).length;
        if (weight > MOST_ENTRY_BYTES) {
          this.error(`${file.fileName} is ${weight} bytes compressed; ${MOST_ENTRY_BYTES} are allowed`);
        }
      }
    },
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg|json|txt)$/.test(name)) continue;
        const path = join(folder, name);
        const bytes = readFileSync(path);
        const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        const gzip = gzipSync(bytes, { level: 9 });
        if (brotli.length < bytes.length) writeFileSync(`${path}.br`, brotli);
        if (gzip.length < bytes.length) writeFileSync(`${path}.gz`, gzip);
      }
    },
  };
}

export default defineConfig({
  base: "/ui/",
  plugins: [react(), compressed()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { port: 5173, strictPort: true, proxy: { "/api": { target: GATEWAY, changeOrigin: true } } },
});
