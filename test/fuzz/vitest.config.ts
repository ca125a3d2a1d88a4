import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/fuzz/*.fuzz.ts'],
    // As long as it is told to; what hangs is ended by the watchdog.
    testTimeout: 0,
    hookTimeout: 0,
    disableConsoleIntercept: true,
  },
});
