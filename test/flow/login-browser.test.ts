import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { startAuthorizationServer } from '../fixtures/authorization-server.js';
import { startLoginProcess } from '../fixtures/login.js';
import { startProtectedServer } from '../fixtures/protected-server.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

/** Debian's package. */
const CHROMIUM = '/usr/bin/chromium';

test.skipIf(!existsSync(CHROMIUM))('a real browser logs in', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  const url = await startProtectedServer({ issuer: server.issuer });
  define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'], timeout: 120_000 });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const login = startLoginProcess(root, ['login', 'thing']);
  await page.goto(await login.address);
  await page.getByText('You are logged in').waitFor();
  expect(await login.ended).toMatchObject({ code: 0 });
  expect(await server.isActive(root.json('.oauth-tokens/127-0-0-1-thing-egress.json').access_token)).toBe(true);
});
