import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds the API: the server, or the fixture server of `npm run mock`. */
const API = process.env['API_URL'] ?? 'http://127.0.0.1:4173';

export default defineConfig({
  plugins: [react()],
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // A data: URL would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // scripts/budget.mjs holds the sizes to their budget.
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { '/api': API } },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
});
