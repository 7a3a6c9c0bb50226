// What CUDA is here, without opening anything: the GPUs, the driver, what compiles kernels and what multiplies matrices; or
// why there is none.

import { DeviceError } from '../../device.ts';
import { cardAt, openDriver, versionText, type Card } from './card.ts';
import { findCublasLt } from './cublaslt.ts';
import { openEmulation } from './emulated.ts';
import { loadForeign } from './foreign.ts';
import { findCompiler } from './toolchain.ts';

export interface CudaListing {
  readonly cards: readonly Card[];
  readonly driver: string | null; // the CUDA version that it offers, '13.0'
  readonly compiler: string | null; // 'NVRTC 13.0', 'g++ 12.2.0'
  readonly library: string | null; // of matrix products, 'cuBLASLt 13.1'
  /** Why kernels cannot run, and what to do about it. */
  readonly problem: string | null;
}

export async function listCuda({ emulate = false }: { readonly emulate?: boolean } = {}): Promise<CudaListing> {
  let listing: CudaListing = { cards: [], driver: null, compiler: null, library: null, problem: null };
  try {
    const foreign = await loadForeign();
    const emulation = emulate ? await openEmulation() : null;
    const opened = openDriver(foreign, emulation?.driver ?? null);
    listing = { ...listing, driver: versionText(opened.version) };
    const cards = Array.from({ length: opened.count }, (_, ordinal) => cardAt(opened, ordinal));
    const found = findCublasLt(foreign, Math.floor(opened.version / 1000), emulation?.driver ?? null);
    listing = { ...listing, cards, library: found === null ? null : `cuBLASLt ${found.version}` };
    const compiler = emulation?.compiler ?? (await findCompiler(foreign, 'auto', cards[0]!.capability, opened.version));
    return { ...listing, compiler: compiler.description };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { ...listing, problem: error.message };
  }
}
