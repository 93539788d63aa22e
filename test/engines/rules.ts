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
  'create-lost': 'shows a cluster whose create was not answered, and adopts it when create is repeated',
  'create-foreign': 'touches nothing that carries the name without the label',
  'update-change': 'changes the number of nodes and the version of a running cluster',
  'update-absent': 'refuses to update a cluster that does not exist',
  'delete-gone': 'deletes to absent',
  'delete-absent': 'returns null when there is nothing to delete',
  'delete-repeat': 'answers a repeated delete with the running operation',
  'delete-cancels': 'deletes a cluster in the middle of its create',
  'kubeconfig-running': 'gives a kubeconfig only while the cluster runs',
  'list-all': "lists the provider's clusters with the ids of those that are KQueen's",
  'error-credentials': 'tells bad credentials apart',
  'error-quota': 'tells an exceeded quota apart',
  'error-input': 'tells bad input apart and names the field',
  'error-rate': 'tells a rate limit apart and hands on how long to wait',
  'error-unreachable': 'tells an unreachable provider apart, and that nothing was sent',
  'error-strange': 'tells a web page in place of the API apart',
  'error-secrets': 'puts no secret into an error',
  'call-deadline': 'ends every call at its deadline when the provider hangs',
  'call-abort': 'ends every call when its caller gives up',
  'options-live': 'gives live choices for every live field and nothing else',
  'check-states': 'tells OK, Error and Unreachable apart with facts and a next step',
  'price-golden': 'prices a spec as the provider does, and answers null when it cannot',
  'schema-apart': "has no field of the provisioner's schema in the cluster's",
  'schema-secrets': 'marks its secret fields, and says in words what every field is',
  'schema-pure': 'describes a spec and counts its nodes without the provider',
  'close-sockets': 'leaves no connection open after close',
} as const;

export type Rule = keyof typeof rules;
