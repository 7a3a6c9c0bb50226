// A checked encoding as short text, for tests that say what a line means.

import type { CheckedEncoding, CheckedSite, Declaration, Node } from '../../src/check/checked.ts';

function show(node: Node): string {
  const list = (nodes: readonly Node[]): string => nodes.map(show).join(', ');
  const where = (condition: Node | null): string => (condition === null ? '' : ` where ${show(condition)}`);
  switch (node.kind) {
    case 'constant':
      return node.type === 'boolean' ? String(node.value !== 0) : String(node.value);
    case 'index':
      return node.index.name;
    case 'runtime':
      return node.name;
    case 'call':
      return `${node.op}(${list(node.args)})`;
    case 'read':
      return `${node.of.name}[${list(node.items)}]`;
    case 'chain':
      return `${node.tensor}#${node.version}[${list(node.items)}]`;
    case 'reduce': {
      const over = node.over.map((index) => `${index.name}: ${index.axis.name}`).join(', ');
      return `${node.op}[${over}${where(node.where)}](${show(node.body)})`;
    }
    case 'map':
      return `${node.op}[${node.along.map((index) => index.name).join(', ')}${where(node.where)}](${show(node.body)})`;
    default:
      return node satisfies never;
  }
}

function showDeclaration(declaration: Declaration): string {
  const indices = declaration.indices.map((index) => `${index.name}: ${index.axis.name}`).join(', ');
  const head = `${declaration.kind} ${declaration.name}[${indices}]: ${declaration.type}`;
  if (declaration.kind === 'let') return `${head} = ${show(declaration.value)}`;
  return 'initial' in declaration ? `${head} ~ ${show(declaration.initial)}` : head;
}

function showSite(site: CheckedSite): string {
  const indices = site.indices.map((index) => `${index.name}: ${index.axis.name}`).join(', ');
  const head = `${site.target}#${site.version} [${indices}]`;
  switch (site.kind) {
    case 'assign':
      return `${head} ${site.operator} ${show(site.value)}`;
    case 'rotate':
      return `rotate ${head} by ${show(site.by)} ${site.layout} from ${site.from}`;
    case 'transform':
    case 'transport':
      return `${site.kind} ${head} by ${show(site.by)}`;
    default:
      return site satisfies never;
  }
}

export const declarationsOf = (encoding: CheckedEncoding): readonly string[] =>
  encoding.declarations.map(showDeclaration);
export const sitesOf = (encoding: CheckedEncoding): readonly string[] => encoding.sites.map(showSite);
