export { startGateway } from './gateway.ts'
export type { Gateway, GatewayAddresses, GatewayDeps } from './gateway.ts'
export { gatewayConfigSchema, loadConfig } from './config.ts'
export type { GatewayConfig } from './config.ts'
