/** An MCP client with a file of its own that a link can stand for. */
export interface ClientFile {
  readonly name: string;
  readonly title: string;
  /** Relative to the project, or to the person's home where it begins with `~/`. */
  readonly path: string;
  /** The output in its shape. */
  readonly output: string;
}

/** Where clients look, by their documentation; all of them follow a symbolic link there. */
export const CLIENTS: readonly ClientFile[] = [
  { name: 'claude', title: 'Claude Code', path: '.mcp.json', output: 'mcp.json' },
  { name: 'vscode', title: 'VS Code', path: '.vscode/mcp.json', output: 'vscode_mcp.json' },
  { name: 'cursor', title: 'Cursor', path: '.cursor/mcp.json', output: 'mcp.json' },
  { name: 'roo', title: 'Roo Code', path: '.roo/mcp.json', output: 'roo_mcp.json' },
  {
    name: 'cline',
    title: 'Cline',
    path: '~/.cline/data/settings/cline_mcp_settings.json',
    output: 'cline_mcp.json',
  },
  { name: 'copilot', title: 'Copilot CLI', path: '~/.copilot/mcp-config.json', output: 'mcp.json' },
  { name: 'gemini', title: 'Gemini CLI', path: '.gemini/settings.json', output: 'gemini_mcp.json' },
  { name: 'codex', title: 'Codex', path: '.codex/config.toml', output: 'codex_mcp.toml' },
  { name: 'opencode', title: 'OpenCode', path: 'opencode.json', output: 'opencode_mcp.json' },
];
