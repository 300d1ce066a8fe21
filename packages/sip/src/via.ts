import { ok, type Result } from '@stox/kernel'
import { grammarFailure, isToken, parseDigits, type SipGrammarFailure } from './grammar.ts'
import { Cursor, NO_PARAMS, formatParams, hostEnd, type SipParams } from './params.ts'

/** @see RFC 3261 §20.42 */
export interface Via {
  /** Upper case: UDP, TCP, TLS, SCTP, or what else was written. */
  readonly transport: string
  /** Lower case, IPv6 in brackets. */
  readonly host: string
  readonly port: number | undefined
  /** `branch`, `received`, `rport` and others. */
  readonly params: SipParams
}

/** @see RFC 3261 §8.1.1.7 */
export const BRANCH_COOKIE = 'z9hG4bK'

/** One Via, all of the text. */
export function parseVia(text: string): Result<Via, SipGrammarFailure> {
  const vias: Via[] = []
  const problem = takeVias(new Cursor(text), vias)
  if (problem !== undefined) return grammarFailure(problem)
  return vias.length === 1 ? ok(vias[0]!) : grammarFailure('more than one Via')
}

/**
 * Adds the Vias of one field, which may hold several, to those of the fields above it. Gives why not; a Via whose
 * parameters are wrong is still added, without them: it says where an answer may go.
 */
export function takeVias(cursor: Cursor, vias: Via[]): string | undefined {
  do {
    const transport = takeTransport(cursor)
    if (transport === '') return 'no proper protocol in the Via'
    const host = cursor.host()
    if (host === undefined) return 'no proper host in the Via'
    const port = cursor.take(58) ? (cursor.port() ?? 0) : undefined
    if (port === 0) return 'no proper port in the Via'
    const params = cursor.params()
    if (typeof params === 'string') {
      vias.push({ transport, host, port, params: NO_PARAMS })
      return `${params} in the Via`
    }
    vias.push({ transport, host, port, params })
  } while (cursor.take(44))
  return cursor.peek() === -1 ? undefined : 'unexpected text behind the Via'
}

/** `protocol-name SLASH protocol-version SLASH transport`; empty when it is not. The version is not ours to judge here. */
function takeTransport(cursor: Cursor): string {
  if (cursor.text.startsWith('SIP/2.0/', cursor.at)) cursor.at += 8
  else if (cursor.token() === '' || !cursor.take(47) || cursor.token() === '' || !cursor.take(47)) return ''
  const transport = cursor.token()
  return transport === 'UDP' || transport === 'TCP' ? transport : transport.toUpperCase()
}

export function formatVia(via: Via): string {
  if (!isToken(via.transport)) throw new RangeError(`not a transport: ${JSON.stringify(via.transport)}`)
  if (hostEnd(via.host, 0) !== via.host.length) throw new RangeError(`not a host: ${JSON.stringify(via.host)}`)
  const port = via.port === undefined ? '' : `:${via.port}`
  return `SIP/2.0/${via.transport} ${via.host}${port}${formatParams(via.params)}`
}

export const withoutBrackets = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)

/**
 * Where a response goes when the connection of its request is gone, or never was (UDP). `maddr` is not followed: it
 * would let a stranger aim our answers. @see RFC 3261 §18.2.2, RFC 3581 §4
 */
export function responseTarget(via: Via): { readonly host: string; readonly port: number } {
  const usual = via.transport === 'TLS' ? 5061 : 5060
  const rport = parseDigits(via.params.get('rport') ?? '', 65_535)
  return { host: withoutBrackets(via.params.get('received') ?? via.host), port: rport || (via.port ?? usual) }
}
