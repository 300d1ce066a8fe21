import type { LinkClientOptions, LinkClientPort } from './link-types.ts'

export declare class LinkClient implements LinkClientPort {
  constructor(options: LinkClientOptions)
  start: LinkClientPort['start']
  send: LinkClientPort['send']
  publish: LinkClientPort['publish']
  edges: LinkClientPort['edges']
  sessions: LinkClientPort['sessions']
  closeSession: LinkClientPort['closeSession']
  gauges: LinkClientPort['gauges']
  close: LinkClientPort['close']
}
