export { startEdge } from './edge.ts'
export type { Edge, EdgeDeps, ListenAddress } from './edge.ts'
export { edgeConfigSchema, loadConfig } from './config.ts'
export type { EdgeConfig } from './config.ts'
