/** JSON Schemas of every answer: what is not in them is not sent. */
const text = { type: 'string' } as const;
const integer = { type: 'integer' } as const;
const number = { type: 'number' } as const;
const flag = { type: 'boolean' } as const;
const orNull = <T extends { readonly type: string }>(schema: T) => ({ ...schema, type: [schema.type, 'null'] });
const object = (properties: object, optional: readonly string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});
const mapOf = (additionalProperties: object) => ({ type: 'object', additionalProperties });

export const failure = {
  description: 'Why not.',
  ...object({ error: text, message: text, scope: text }, ['message', 'scope']),
};

export const tokenAnswer = {
  description: 'A valid token, refreshed first if it was due. Times are epoch seconds.',
  ...object({ token: text, expires_on: orNull(integer), scope: text, refresh_count: integer }),
};

export const tokenList = {
  description: 'Every token that can be used now, without its value; `count` is how many there are on all pages.',
  ...object(
    {
      count: integer,
      tokens: {
        type: 'array',
        items: object(
          {
            scope: text,
            expires_on: orNull(integer),
            stored_at: integer,
            refresh_count: integer,
            user_id: text,
            key: text,
          },
          ['user_id'],
        ),
      },
      next_offset: { ...integer, description: 'Of the next page, where there is one.' },
    },
    ['next_offset'],
  ),
};

export const health = {
  description: 'Unhealthy when Redis is configured and away; tokens in hand are served all the same.',
  ...object({
    status: { enum: ['healthy', 'unhealthy'] },
    redis_connected: flag,
    active_token_count: integer,
    timestamp: integer,
  }),
};

export const refreshed = {
  description: 'The token was refreshed.',
  ...object({ status: { const: 'success' }, message: text, scope: text }),
};

const tokenHealth = object({
  valid: flag,
  expires_in_seconds: orNull(integer),
  has_refresh_token: flag,
  status: text,
  source: text,
});
const ownHealth = object({ valid: flag, expires_in_seconds: orNull(integer), status: text });
export const adminStatus = {
  description: 'How every token is: one of client_credentials, those of users by user, the others by name.',
  ...object({
    healthy: flag,
    issues: { type: 'array', items: text },
    tokens: {
      type: 'object',
      properties: { client_credentials: ownHealth, users: mapOf(tokenHealth) },
      required: ['client_credentials', 'users'],
      additionalProperties: tokenHealth,
    },
    background_refresh: object({ running: flag, task_exists: flag }),
    persistence: object({ file_exists: flag, file_path: text }),
  }),
};

const clientCredentials = object({
  exists: flag,
  expires_at: orNull(number),
  expires_in_seconds: orNull(integer),
  is_expired: flag,
  needs_refresh_soon: flag,
  scope: orNull(text),
});
const userToken = object({
  expires_at: orNull(number),
  expires_in_seconds: orNull(integer),
  is_expired: flag,
  needs_refresh_soon: flag,
  has_refresh_token: flag,
  scope: orNull(text),
  source: text,
});
export const adminTokens = {
  description: 'Every token without its value.',
  ...object({
    client_credentials: clientCredentials,
    user_tokens: mapOf(userToken),
    tokens: mapOf(userToken),
    background_refresh_running: flag,
    token_file_exists: flag,
    current_time: number,
  }),
};

export const adminRefresh = {
  description: 'What became of each token: "success", or "failed: " and why.',
  ...object({ message: text, results: mapOf(text), timestamp: number }),
};

/** `schemas/status.schema.json` says what is in it. */
export const report = {
  description: 'What `token-refresher status --json` prints, and `now`, the time of the daemon.',
  type: 'object',
  properties: { now: number },
  required: ['now'],
  additionalProperties: true,
};

export const figures = {
  description: 'The text format of Prometheus.',
  content: { 'text/plain': { schema: text } },
};

/** The path of what is asked for. */
export const scopeParameter = {
  type: 'object',
  properties: {
    '*': { ...text, description: "The token's scope or name, percent-encoded or as it is." },
  },
};
/** Numbers come as text, and are taken for what they are once they have been read. */
const whole = (description: string) => ({ ...text, pattern: '^[0-9]{1,6}$', description });
const page = {
  limit: whole('How many at the most; all of them without it.'),
  offset: whole('How many to leave out, from the first.'),
};
export const pageParameters = { type: 'object', properties: page };
export const reportParameters = {
  type: 'object',
  properties: {
    ...page,
    search: { ...text, description: 'Only those whose name, provider, server or state has this in it.' },
  },
};
export const userParameter = {
  type: 'object',
  properties: { user_id: { ...text, description: 'Whose token.' } },
};
