// Which variant of a kernel a device runs: the best profile that it offers, by the profile that the device prefers.

import type { KernelVariant, Kernel, Profile } from './device.ts';

/** Best first; a later one does where a kernel has no better. */
const preference: Readonly<Record<Profile, readonly Profile[]>> = {
  software: ['software', 'portable', 'subgroups'],
  portable: ['portable', 'software'],
  subgroups: ['subgroups', 'portable', 'software'],
};

/** null: none that the device is able to run. */
export function bestVariant(
  kernel: Kernel,
  profile: Profile,
  able: (variant: KernelVariant) => boolean,
): KernelVariant | null {
  for (const wanted of preference[profile]) {
    const found = kernel.variants.find((variant) => variant.profile === wanted && able(variant));
    if (found !== undefined) return found;
  }
  return null;
}

/** 'subgroups with 256 lanes, software with 64 lanes': what a kernel offers, for messages. */
export const variantsText = (kernel: Kernel): string =>
  kernel.variants.map((variant) => `${variant.profile} with ${variant.workgroup} lanes`).join(', ');
