import { fail, ok, type Result } from './result.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** `host:port` and `[v6]:port`, as addresses to listen on are written; port 0 lets the system choose. */
export function parseHostPort(text: string): Result<HostPort, string> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) return fail(`not host:port: ${text}`)
  return ok({ host, port })
}
