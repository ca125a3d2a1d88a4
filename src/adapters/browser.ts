import { split } from 'shellwords-ts';
import type { Browser } from '../ports/login.js';

/** The person's own browser. */
export const desktopBrowser: Browser = {
  async open(url) {
    const { BROWSER, DISPLAY, WAYLAND_DISPLAY } = process.env;
    // Without a display xdg-open would start a browser in the terminal, in the middle of what is said there.
    if (process.platform === 'linux' && !DISPLAY && !WAYLAND_DISPLAY && !BROWSER) return false;
    try {
      const { default: open } = await import('open');
      // As xdg-open, gh and Python have it: a command, the first of several that colons separate.
      const [name, ...words] = split(BROWSER?.split(':')[0] ?? '').filter((word) => word !== '%s');
      const child = await open(url.href, name === undefined ? {} : { app: { name, arguments: words } });
      return await new Promise<boolean>((resolve) => {
        child.once('error', () => resolve(false));
        child.once('exit', (code) => resolve(code === 0));
        setTimeout(() => resolve(true), SOON).unref();
      });
    } catch {
      return false;
    }
  },
};

/** What has not failed by then has opened; milliseconds. */
const SOON = 2000;
