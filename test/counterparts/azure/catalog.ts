/** What the subscription of the counterpart has: locations, versions, machine sizes. */

interface Location {
  name: string;
  displayName: string;
  category: 'Recommended' | 'Other';
}

export const locations: readonly Location[] = [
  { name: 'eastus', displayName: 'East US', category: 'Recommended' },
  { name: 'westeurope', displayName: 'West Europe', category: 'Recommended' },
  { name: 'northeurope', displayName: 'North Europe', category: 'Recommended' },
  { name: 'norwayeast', displayName: 'Norway East', category: 'Other' },
];

interface Size {
  name: string;
  family: string;
  cpus: number;
  memory: number;
  /** The subscription cannot have it. */
  restricted?: boolean;
}

export const sizes: readonly Size[] = [
  { name: 'Standard_B1s', family: 'standardBSFamily', cpus: 1, memory: 1 },
  { name: 'Standard_B2als_v2', family: 'standardBasv2Family', cpus: 2, memory: 4 },
  { name: 'Standard_D2s_v5', family: 'standardDSv5Family', cpus: 2, memory: 8 },
  { name: 'Standard_D4s_v5', family: 'standardDSv5Family', cpus: 4, memory: 16 },
  { name: 'Standard_E4s_v5', family: 'standardESv5Family', cpus: 4, memory: 32 },
  { name: 'Standard_M128s', family: 'standardMSFamily', cpus: 128, memory: 2_048, restricted: true },
];

interface Minor {
  version: string;
  patches: Record<string, string[]>;
  isDefault?: boolean;
  isPreview?: boolean;
  ltsOnly?: boolean;
}

export const versions: readonly Minor[] = [
  { version: '1.32', patches: { '1.32.9': ['1.33.6'] }, ltsOnly: true },
  {
    version: '1.33',
    patches: { '1.33.5': ['1.33.6', '1.34.1', '1.34.2'], '1.33.6': ['1.34.1', '1.34.2'] },
    isDefault: true,
  },
  { version: '1.34', patches: { '1.34.1': ['1.34.2', '1.35.0'], '1.34.2': ['1.35.0'] } },
  { version: '1.35', patches: { '1.35.0': [] }, isPreview: true },
];

/** The patch version that a version means; undefined when there is none. `''` is the default, `1.34` the newest 1.34. */
export function resolveVersion(version: string | undefined): string | undefined {
  const minor = version ? versions.find((each) => each.version === version) : versions.find((each) => each.isDefault);
  if (minor) return Object.keys(minor.patches).at(-1);
  return versions.flatMap((each) => Object.keys(each.patches)).find((patch) => patch === version);
}

export function upgradesOf(version: string): { kubernetesVersion: string; isPreview?: true }[] {
  const minor = versions.find((each) => Object.hasOwn(each.patches, version));
  return (minor?.patches[version] ?? []).map((kubernetesVersion) => {
    const preview = versions.find((each) => Object.hasOwn(each.patches, kubernetesVersion))?.isPreview;
    return preview ? { kubernetesVersion, isPreview: true } : { kubernetesVersion };
  });
}

/**
 * GET …/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions (KubernetesVersions_List.json in the examples of
 * azure-rest-api-specs).
 */
export function versionsAnswer(): unknown {
  return {
    values: versions.map((each) => ({
      version: each.version,
      capabilities: {
        supportPlan: each.ltsOnly ? ['AKSLongTermSupport'] : ['KubernetesOfficial', 'AKSLongTermSupport'],
      },
      ...(each.isDefault ? { isDefault: true } : {}),
      ...(each.isPreview ? { isPreview: true } : {}),
      patchVersions: Object.fromEntries(Object.entries(each.patches).map(([patch, upgrades]) => [patch, { upgrades }])),
    })),
  };
}

/** GET /subscriptions/{id}/locations (https://learn.microsoft.com/rest/api/resources/subscriptions/list-locations). */
export function locationsAnswer(subscription: string): unknown {
  const physical = locations.map(({ name, displayName, category }) => ({
    id: `/subscriptions/${subscription}/locations/${name}`,
    name,
    type: 'Region',
    displayName,
    regionalDisplayName: displayName,
    metadata: { regionType: 'Physical', regionCategory: category, geographyGroup: 'World' },
  }));
  const logical = {
    id: `/subscriptions/${subscription}/locations/europe`,
    name: 'europe',
    type: 'Region',
    displayName: 'Europe',
    regionalDisplayName: 'Europe',
    metadata: { regionType: 'Logical', regionCategory: 'Other' },
  };
  return { value: [...physical, logical] };
}

/** GET /subscriptions/{id}/providers/Microsoft.ContainerService (https://learn.microsoft.com/rest/api/resources/providers/get). */
export function providerAnswer(subscription: string): unknown {
  return {
    id: `/subscriptions/${subscription}/providers/Microsoft.ContainerService`,
    namespace: 'Microsoft.ContainerService',
    registrationPolicy: 'RegistrationRequired',
    registrationState: 'Registered',
    resourceTypes: [
      { resourceType: 'locations', locations: [], apiVersions: ['2026-06-01'] },
      // Not everywhere that there are machines.
      {
        resourceType: 'managedClusters',
        locations: locations.filter(({ name }) => name !== 'norwayeast').map((each) => each.displayName),
        apiVersions: ['2026-06-01'],
      },
    ],
  };
}

/** GET /subscriptions/{id}/providers/Microsoft.Compute/skus (https://learn.microsoft.com/rest/api/compute/resource-skus/list). */
export function skusAnswer(location: string): unknown {
  const machines = sizes.map((size) => ({
    resourceType: 'virtualMachines',
    name: size.name,
    tier: 'Standard',
    size: size.name.replace('Standard_', ''),
    family: size.family,
    locations: [location],
    locationInfo: [{ location, zones: ['1', '2', '3'], zoneDetails: [] }],
    capabilities: [
      { name: 'vCPUs', value: String(size.cpus) },
      { name: 'MemoryGB', value: String(size.memory) },
      { name: 'PremiumIO', value: 'True' },
    ],
    restrictions: size.restricted
      ? [
          {
            type: 'Location',
            values: [location],
            restrictionInfo: { locations: [location] },
            reasonCode: 'NotAvailableForSubscription',
          },
        ]
      : [],
  }));
  const disk = {
    resourceType: 'disks',
    name: 'Premium_LRS',
    tier: 'Premium',
    size: 'P10',
    locations: [location],
    restrictions: [],
  };
  return { value: [disk, ...machines] };
}
