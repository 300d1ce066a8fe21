import type { LinkServerOptions, LinkServerPort } from './link-types.ts'

export declare class LinkServer implements LinkServerPort {
  constructor(options: LinkServerOptions)
  listen: LinkServerPort['listen']
  offer: LinkServerPort['offer']
  streamUp: LinkServerPort['streamUp']
  streamDown: LinkServerPort['streamDown']
  attachedGateways: LinkServerPort['attachedGateways']
  gauges: LinkServerPort['gauges']
  close: LinkServerPort['close']
}
