import type { Browser } from '../ports/login.js';

/** The person's own browser. */
export const desktopBrowser: Browser = {
  async open(url) {
    // Without a display xdg-open would start a browser in the terminal, in the middle of what is said there.
    if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY && !process.env.BROWSER) {
      return false;
    }
    try {
      const { default: open } = await import('open');
      const child = await open(url.href);
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
