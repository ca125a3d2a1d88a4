import { describe, expect, it } from 'vitest';
import { appFor } from '../fixtures/app.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

/** The lines that one cycle after the other tells of definitions. */
async function told(root: Root) {
  const { app, log, cycle } = await appFor(root.path);
  return async (): Promise<string[]> => {
    const before = log.lines.length;
    app.loop.report(await cycle(2));
    return log.lines.slice(before).filter((line) => line.includes('registry/servers/'));
  };
}

const server = (name: string): string => `registry/servers/${name}.json`;

describe('the troubles of files whose names differ in digits', () => {
  it('are each told once, and each is told to be in order by itself', async () => {
    const root = new Root();
    for (const name of ['jira1', 'jira2', '3']) define(root, `${name}.json`, open(`open-${name}`));
    const next = await told(root);
    expect(await next()).toEqual([]);
    for (const name of ['jira1', 'jira2', '3']) {
      root.write(server(name), '{"path": ');
      expect(await next()).toEqual([expect.stringContaining(`ERROR - SCAN - ${server(name)}: ends in the middle`)]);
    }
    define(root, 'jira1.json', open('open-jira1'));
    expect(await next()).toEqual([`INFO - SCAN - ${server('jira1')}: is in order again`]);
    root.write(server('jira1'), '{"path": ');
    expect(await next()).toHaveLength(1);
  });

  it('in one file are told apart by their place and by the names in them', async () => {
    const root = new Root();
    const headers = (...values: unknown[]) => ({ ...open('a'), headers: values });
    root.write(server('a'), headers({ X1: [] }, { X2: 'v' }));
    const next = await told(root);
    expect(await next()).toEqual([expect.stringContaining('/headers/0/X1')]);
    root.write(server('a'), headers({ X1: [] }, { X1: [] }));
    expect(await next()).toEqual([expect.stringContaining('/headers/1/X1')]);
    root.write(server('a'), { ...open('a'), auth_type: 'oauth', token: 'jira1' });
    expect(await next()).toEqual([expect.stringContaining('no token "jira1"')]);
    root.write(server('a'), { ...open('a'), auth_type: 'oauth', token: 'jira2' });
    expect(await next()).toEqual([expect.stringContaining('no token "jira2"')]);
  });

  it('are not told again when only a line or a size in them is another', async () => {
    const root = new Root().write(server('a'), '{\n"path": ,}');
    const next = await told(root);
    expect(await next()).toHaveLength(1);
    root.write(server('a'), '{\n\n\n"path": ,}');
    expect(await next()).toEqual([]);
  });
});
