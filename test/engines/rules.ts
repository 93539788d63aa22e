/**
 * The rules of the engine contract by the name of their test. docs/engines.md has one row for each, and a test holds the two together.
 */
export const rules = {
  'observe-absent': 'answers absent without throwing for a cluster that does not exist',
  'observe-reads': 'never writes while it observes, checks, lists or reads options',
  'observe-progress': 'shows a create from creating to running, with steps and percent that only grow',
  'observe-unknown': 'answers unknown for a state of the provider that it has never heard of',
  'observe-failed': "shows a failed create as error with the provider's first sentence and its whole text",
  'create-repeat': 'makes no second cluster when create is repeated',
  'create-twice': 'makes one cluster when two ask at once',
  'create-lost': 'shows a cluster whose create was not answered, and adopts it when create is repeated',
  'create-foreign': 'touches nothing that carries the name without the label',
  'update-nodes': 'changes the number of nodes, and answers null once it is as wanted',
  'update-version': 'upgrades the control plane and then the nodes, a step for each call, until null',
  'update-null': 'answers null without a change when the cluster is as wanted',
  'update-pool': 'changes nothing when the node pool that is meant is not there',
  'update-autoscale': "sets the bounds of the provider's autoscaler and turns it off",
  'update-power': 'stops a cluster and starts it again',
  'update-gateways': 'makes a pool of gateway nodes, scales it and takes it away',
  'update-policy': 'turns the enforcement of network policies on and off, step by step until null',
  'update-addons': "turns the provider's add-ons on and off, and refuses names that there are not",
  'update-retire': 'replaces and removes the machine of a chosen node, once',
  'update-failed': 'tells an update that failed at the provider apart from the cluster, which goes on',
  'update-absent': 'refuses to update a cluster that does not exist',
  'delete-gone': 'deletes to absent',
  'delete-absent': 'returns null when there is nothing to delete',
  'delete-repeat': 'answers a repeated delete with the running operation',
  'delete-cancels': 'deletes a cluster in the middle of its create',
  'kubeconfig-running': 'gives a kubeconfig only while the cluster runs',
  'kubeconfig-life': 'gives a kubeconfig that a machine can use, and says how long it is good',
  'list-all': "lists the provider's clusters with the ids of those that are KQueen's",
  'adopt-mark': 'marks a cluster that somebody else made, once, and takes the mark away again',
  'adopt-taken': "adopts and releases nothing that carries another's mark",
  'list-spec': 'lists the parameters of a cluster well enough to describe and reach it when it is adopted',
  'log-text': 'gives the text of what happened, without secrets and bounded',
  'upgrades-newer': 'offers only versions that are newer than the present one',
  'sign-in': 'gives people a kubeconfig without a secret, or null',
  'outcome-create': 'tells how the operation of a create stands while it runs and when it is done',
  'poll-reads': 'observes a cluster with few requests',
  'engine-instead': 'has words for every capability that it lacks and people ask for, and refuses the call',
  'error-credentials': 'tells bad credentials apart',
  'error-quota': 'tells an exceeded quota apart',
  'error-input': 'tells bad input apart and names the field',
  'error-rate': 'tells a rate limit apart and hands on how long to wait',
  'error-unreachable': 'tells an unreachable provider apart, and that nothing was sent',
  'error-strange': 'tells a web page in place of the API apart',
  'error-secrets': 'puts no secret into an error',
  'call-deadline': 'sends nothing once the deadline is over',
  'call-abort': 'ends every call when its caller gives up',
  'options-live': 'gives live choices for every live field and nothing else',
  'check-states': 'tells OK, Error and Unreachable apart with facts and a next step',
  'check-place': 'tells a project that does not exist apart from bad credentials',
  'price-golden': 'prices a spec as the provider does, and answers null when it cannot',
  'schema-apart': "has no field of the provisioner's schema in the cluster's",
  'schema-secrets': 'marks its secret fields, and says in words what every field is',
  'schema-pure': 'describes a spec, counts its nodes and pools, and changes it, without the provider',
  'close-sockets': 'leaves no connection open after close',
} as const;

export type Rule = keyof typeof rules;

/** What can stand between an engine and its provider; every call of the contract meets every one of them. */
export const faults = {
  credentials: 'credentials that the provider refuses',
  permission: 'good credentials without the permission',
  rate: 'a rate limit with the time to wait',
  'server-error': 'HTTP 500',
  'cut-answer': 'an answer that breaks off in its middle',
  hang: 'no answer until the deadline',
  refused: 'nothing listens at the address',
  'web-page': 'a web page in place of the API',
  certificate: 'a TLS certificate for another host, or of nobody known',
  'lost-answer': 'a change that is carried out and whose answer is lost',
} as const;

export type FaultName = keyof typeof faults;

/** The calls of the contract, as the table of faults lists them. */
export const operations = [
  'observe',
  'create',
  'update',
  'delete',
  'adopt',
  'release',
  'kubeconfig',
  'signIn',
  'upgrades',
  'log',
  'list',
  'check',
  'options',
] as const;

export type OperationName = (typeof operations)[number];

/** What an engine cannot have, with the reason: a rule, a fault, or one call under one fault. The reason is printed and documented. */
export type Skips = Partial<Record<Rule | FaultName | `${OperationName}/${FaultName}`, string>>;
