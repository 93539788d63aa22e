/** What the routes of the counterpart are written with. */

/** A request that was read whole. */
export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** `https://host:port` as the client sees the server. */
  origin: string;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Thrown by a route: an answer that is a refusal. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(JSON.stringify(answer.body));
    this.answer = answer;
  }
}

/**
 * A refusal of the gateway: `{ error: { code, message } }` (Microsoft's resource provider contract,
 * https://github.com/cloud-and-ai-microsoft/resource-provider-contract, common-api-details.md, "Error response content").
 */
export function gateway(status: number, code: string, message: string, headers: Record<string, string> = {}): Refusal {
  return new Refusal({ status, body: { error: { code, message } }, headers });
}

/**
 * A refusal of the AKS resource provider: flat, with `subcode` (as people quote it, such as in Azure/terraform-azurerm-aks#604 and
 * Azure/azure-workload-identity#417).
 */
export function provider(status: number, code: string, message: string, subcode = ''): Refusal {
  return new Refusal({ status, body: { code, details: null, message, subcode } });
}
