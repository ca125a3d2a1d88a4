/** Where a unit finds the program and what it is for; all paths are absolute. */
export interface UnitPlaces {
  readonly node: string;
  readonly script: string;
  readonly root: string;
}

/** What systemd allows a service of its own user: what the program needs, and no more (systemd.exec(5)). */
const HARDENING = `
# It speaks to token endpoints, reads its root and writes there. Nothing else is open to it.
ProtectSystem=strict
ReadWritePaths=%ROOT%
ProtectHome=%HOME%
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
KeyringMode=private
# The watchdog ends it with SIGABRT, and a core of it would hold tokens.
LimitCORE=0
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077
# Not MemoryDenyWriteExecute: V8 compiles code as it runs. Not ProcSubset=pid: locks tell machines apart by their boot.
`;

/** The unit of a service; `user` is for one that a person runs for himself, whose manager may restrict little. */
export function systemdUnit({ node, script, root }: UnitPlaces, user: boolean): string {
  const inHome = [node, script, `${root}/`].some((path) => /^\/(home|root)\//.test(path));
  const hardening = HARDENING.trim()
    .replace('%HOME%', inHome ? 'read-only' : 'yes')
    .replace('%ROOT%', () => quotedWord(quotedPath(root)));
  return `[Unit]
Description=Keeps the OAuth tokens of MCP servers fresh
Wants=network-online.target
After=network-online.target

[Service]
# Ready when the first cycle has ended. The program speaks through systemd-notify, which is another process.
Type=notify
NotifyAccess=all
ExecStart=${[node, script, 'run', '--root', root, '--log-file', '-'].map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory=${quotedPath(root)}
# Not after a usage error. After exit 3 it is: the instance that somebody has started by hand may end.
Restart=on-failure
RestartPreventExitStatus=2
RestartSec=10
WatchdogSec=3min
TimeoutStartSec=2min
# A token request in flight is finished and its answer saved.
TimeoutStopSec=100
KillMode=mixed
${user ? 'NoNewPrivileges=yes\nUMask=0077\n' : `User=token-refresher\nGroup=token-refresher\n\n${hardening}\n`}
[Install]
WantedBy=${user ? 'default.target' : 'multi-user.target'}
`;
}

/** Why systemd cannot be given a path; null when it can. It reads lines, without the white space at their ends. */
export function whyNotInUnit(path: string): string | null {
  if (/\p{Cc}/u.test(path)) return 'its path holds control characters, which no systemd unit can';
  if (/[ \\]$/.test(path)) return 'its path ends with a space or a backslash, which systemd would not read';
  return null;
}

/** A word of a command line, as systemd.service(5) reads it. */
function quoted(word: string): string {
  return quotedWord(word.replaceAll('%', '%%').replaceAll('$', () => '$$'));
}

/** In quotes, where it is not one plain word. */
function quotedWord(word: string): string {
  return /^[\w@%+=:,./$-]+$/.test(word) ? word : `"${word.replace(/[\\"]/g, '\\$&')}"`;
}

/** A path that stands alone: nothing but specifiers is looked for in it. */
function quotedPath(path: string): string {
  return path.replaceAll('%', '%%');
}
