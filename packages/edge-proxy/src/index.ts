export { startEdge, StartProblem } from './edge.ts'
export type { Edge, EdgeDeps, ListenAddress } from './edge.ts'
export { edgeConfigSchema, loadConfig } from './config.ts'
export type { ConfigProblem, EdgeConfig } from './config.ts'
