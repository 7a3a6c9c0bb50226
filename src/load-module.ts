// The TypeScript text of a generated module -> the module, in any host of ES modules: transpiled and imported from a URL
// that holds it. One text is loaded once; with a store of scripts, what an earlier run made is not made again.

import type { Module } from '../targets/device.ts';
import { transpile } from '../codegen/glue/morph.ts';

/** Keeps the JavaScript of modules from run to run. What a key stands for never changes. */
export interface ScriptStore {
  find(key: string): Promise<string | null>;
  keep(key: string, script: string): Promise<void>;
}

/** A module that may be known already: all that its text depends on, and how the text is made. */
export interface Recipe {
  readonly key: string;
  make(): Promise<string>;
}

export type Loader = (given: string | Recipe) => Promise<Module>;

/** A loader with its own cache. */
export function createLoader(store: ScriptStore | null = null): Loader {
  const loaded = new Map<string, Promise<Module>>();
  return (given) => {
    const id = typeof given === 'string' ? `text ${given}` : `key ${given.key}`;
    const known = loaded.get(id);
    if (known !== undefined) return known;
    const module = typeof given === 'string' ? loadModule(given) : madeBy(given, store);
    loaded.set(id, module);
    return module;
  };
}

async function madeBy({ key, make }: Recipe, store: ScriptStore | null): Promise<Module> {
  if (store === null) return loadModule(await make());
  const found = await store.find(key);
  if (found !== null) return importScript(found);
  const script = await transpile(await make());
  await store.keep(key, script);
  return importScript(script);
}

/** Hosts keep what they imported by its URL, which is a function of the text: loading a text twice is cheap. */
export const loadModule = async (text: string): Promise<Module> => importScript(await transpile(text));

async function importScript(script: string): Promise<Module> {
  const url = `data:text/javascript;charset=utf-8,${encodeURIComponent(script)}`;
  const { default: module } = (await import(/* @vite-ignore */ url)) as { default: Module };
  return module;
}
