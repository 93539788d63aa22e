/**
 * What the app needs of Slack: asked for when it is installed, compared with what was granted by the doctor, and held against manifest.yml by
 * test/manifests/slack.test.ts. Scopes: docs.slack.dev/reference/scopes.
 */

/** Scopes of the bot, each with what it is for, in words that follow "so that KQueen can". */
export const scopes = {
  commands: 'be called with /kqueen',
  'chat:write': 'answer, and keep the messages about a job up to date',
  'chat:write.public': 'answer in public channels that it was not invited to',
  'app_mentions:read': 'hear when it is mentioned',
  'im:history': 'hear direct messages',
  'im:write': 'open a direct message with somebody',
  'users:read': 'know who is a member, a guest, or from elsewhere',
  'files:write': 'hand out a kubeconfig in a direct message and take it back, and show pictures',
  'files:read': 'take a long text, such as a certificate, as a file in a form',
  'links:read': 'hear of links to clusters',
  'links:write': 'show the cluster below such a link',
  'channels:history': 'find its own messages in public channels again',
  'groups:history': 'find its own messages in private channels again',
} as const satisfies Record<string, string>;

/** Names of the scopes. */
export const scopeNames: readonly string[] = Object.keys(scopes);

/** Events the app subscribes to. */
export const events = [
  'app_mention',
  'message.im',
  'app_home_opened',
  'link_shared',
  'app_uninstalled',
  'tokens_revoked',
] as const;

export const slashCommand = '/kqueen';

/** Shortcuts by their callback_id, each with what it stands for; `about` takes its text from the message. */
export const shortcuts = {
  'kqueen.create': { type: 'global', name: 'Create a cluster', command: 'cluster create' },
  'kqueen.clusters': { type: 'global', name: 'My clusters', command: 'clusters mine' },
  'kqueen.home': { type: 'global', name: 'What waits for me', command: 'home' },
  'kqueen.this': { type: 'message', name: 'Show this cluster', command: 'about this' },
  'kqueen.ask': { type: 'message', name: 'Ask KQueen about this', command: 'about' },
} as const;
