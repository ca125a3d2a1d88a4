// The floors of ARCHITECTURE.md: imports point down only.
const ground = '^src/(ground|generated)/';
const ports = '^src/ports/';
const http = '^src/adapters/http/';
/** What adapters of several kinds have to know of the disk: whose a folder is, where a link leads. */
const disk = '^src/disk/';
const only = (...allowed) => ({ path: '^src/', pathNot: allowed });
const rule = (name, from, to, comment) => ({ name, severity: 'error', from, to, ...(comment && { comment }) });

module.exports = {
  forbidden: [
    rule('no-circles', {}, { circular: true }),
    rule('ground-imports-ground', { path: '^src/ground/' }, { pathNot: ['^src/ground/'] }),
    rule('ports-import-ground', { path: ports }, { pathNot: ['^src/ground/', ports] }),
    rule('disk-imports-ports', { path: disk }, only(ground, ports, disk)),
    // What speaks HTTP reads answers in the same codings.
    rule('adapters-import-no-other', { path: '^src/adapters/[^/]+$' }, only(ground, ports, disk, http)),
    rule(
      'adapters-of-a-folder-belong-together',
      { path: '^src/adapters/([^/]+)/' },
      only(ground, ports, disk, http, '^src/adapters/$1/'),
    ),
    rule('work-imports-down', { path: '^src/work/' }, only('^src/work/', ground, ports)),
    rule('daemon-imports-down', { path: '^src/daemon/' }, only('^src/daemon/', '^src/work/', ground, ports)),
    rule(
      'bridge-imports-down',
      { path: '^src/bridge/' },
      only('^src/bridge/', '^src/daemon/', '^src/work/', ground, ports),
    ),
    rule('nothing-between-touches-the-system', { path: '^src/(work|daemon|bridge)/' }, { dependencyTypes: ['core'] }),
    rule('faces-import-down', { path: '^src/cli/' }, only('^src/(cli|bridge|daemon|work)/', ground, ports, disk)),
    rule('api-imports-down', { path: '^src/api/' }, only('^src/(api|daemon|work)/', ground, ports)),
    rule(
      'only-the-roof-imports-adapters',
      { path: '^src/', pathNot: ['^src/(main|wire|serve|share|library)\\.ts$', '^src/adapters/'] },
      { path: '^src/adapters/' },
    ),
    rule('nothing-unresolved', {}, { couldNotResolve: true, pathNot: '^node:' }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.d.ts'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
