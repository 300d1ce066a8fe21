export { startAdminApi } from './server.ts'
export type { AdminApi } from './server.ts'
export { createToken, ensureFirstToken } from './auth.ts'
export type { AdminDeps, AdminPorts, PublicationRow, ReadyReport, SessionRow, SipSessionRow } from './ports.ts'
