/** The suffixes of quantities and what they multiply by (resource.Quantity of k8s.io/apimachinery). */
const FACTORS: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const FORM = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(n|u|m|k|[MGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/;

/** Whether a text is a quantity. */
export function isQuantity(text: string): boolean {
  return FORM.test(text);
}

/** A quantity such as 100m, 2, 1e3 or 512Mi as a number of units; 0 for what is none. */
export function quantity(value: unknown): number {
  const match = FORM.exec(String(value ?? '0'));
  if (match === null) return 0;
  const [, digits = '0', suffix = ''] = match;
  const exponent = /^[eE]([+-]?\d+)$/.exec(suffix);
  return exponent === null ? Number(digits) * (FACTORS[suffix] ?? 1) : Number(`${digits}e${exponent[1]}`);
}

/** A quantity as the API server writes it back: the largest suffix of its family that leaves a whole number. */
export function canonicalQuantity(text: string): string {
  const match = FORM.exec(text);
  if (match === null) return text;
  const [, , suffix = ''] = match;
  const value = quantity(text);
  if (value === 0) return '0';
  if (suffix.endsWith('i')) {
    for (const unit of ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki']) {
      if (Number.isInteger(value / (FACTORS[unit] ?? 1))) return `${value / (FACTORS[unit] ?? 1)}${unit}`;
    }
    return Number.isInteger(value) ? String(value) : text;
  }
  if (/^[eE]/.test(suffix)) return text;
  for (const unit of ['E', 'P', 'T', 'G', 'M', 'k', '']) {
    const amount = value / (FACTORS[unit] ?? 1);
    if (Number.isInteger(amount)) return `${amount}${unit}`;
  }
  for (const unit of ['m', 'u', 'n']) {
    const amount = Math.round(value / (FACTORS[unit] ?? 1));
    if (Math.abs(amount * (FACTORS[unit] ?? 1) - value) < 1e-12) return `${amount}${unit}`;
  }
  return text;
}

/** A number of units as a quantity: whole units, or thousandths. */
export function quantityText(value: number): string {
  return Number.isInteger(value) ? canonicalQuantity(String(value)) : canonicalQuantity(`${Math.round(value * 1000)}m`);
}
