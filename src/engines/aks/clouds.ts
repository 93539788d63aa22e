/** One of Microsoft's clouds, or a private front before one. */
export interface Cloud {
  /** The resource manager's address without a slash at its end. */
  resourceManager: string;
  /** Where its directory signs in, without a slash at its end. */
  authority: string;
  /** What a token for the resource manager is asked for. */
  scope: string;
  /** The authority is one of Microsoft's, which their libraries know by heart. */
  known: boolean;
}

interface KnownCloud {
  /** Hosts of the resource manager end with this; there is one for each region, too. */
  resourceManager: string;
  authorities: readonly string[];
  scope: string;
}

/**
 * Hosts and audiences of the public clouds, as Microsoft's own SDKs have them (azcore/cloud in the SDK for Go, AzureAuthorityHosts in
 * @azure/identity).
 */
const clouds: readonly KnownCloud[] = [
  {
    resourceManager: 'management.azure.com',
    authorities: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
    scope: 'https://management.azure.com/.default',
  },
  {
    resourceManager: 'management.usgovcloudapi.net',
    authorities: ['login.microsoftonline.us', 'login.usgovcloudapi.net'],
    scope: 'https://management.core.usgovcloudapi.net/.default',
  },
  {
    resourceManager: 'management.chinacloudapi.cn',
    authorities: ['login.chinacloudapi.cn', 'login.partner.microsoftonline.cn'],
    scope: 'https://management.core.chinacloudapi.cn/.default',
  },
];

/** The address of the resource manager where none is given. */
export const publicResourceManager = 'https://management.azure.com';

/**
 * The cloud that two addresses mean; each may be left out. The audience of a token follows the resource manager's cloud, else the authority's,
 * else it is the public one's, since a private front passes tokens on.
 */
export function cloudOf(resourceManagerEndpoint: string | undefined, authorityHost: string | undefined): Cloud {
  const resourceManager = trimmed(resourceManagerEndpoint) ?? publicResourceManager;
  const manager = new URL(resourceManager).hostname;
  const byManager = clouds.find(
    (each) => manager === each.resourceManager || manager.endsWith(`.${each.resourceManager}`),
  );
  const given = trimmed(authorityHost);
  const byAuthority = given ? clouds.find((each) => each.authorities.includes(new URL(given).hostname)) : undefined;
  const cloud = byManager ?? byAuthority ?? clouds[0];
  return {
    resourceManager,
    authority: given ?? `https://${cloud?.authorities[0]}`,
    scope: cloud?.scope ?? '',
    known: given === undefined || byAuthority !== undefined,
  };
}

/** Whether a request may leave for this host with what belongs to `home`: its own address, or another name of the same public authority. */
export function sameAuthority(host: string, home: string): boolean {
  return clouds.some(({ authorities }) => authorities.includes(host) && authorities.includes(home));
}

function trimmed(address: string | undefined): string | undefined {
  const text = address?.trim().replace(/\/+$/, '');
  return text ? text : undefined;
}
