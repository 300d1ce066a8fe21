#!/usr/bin/env node
import { resolve } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'

const USAGE = `stox: an XMPP-to-SIP federation gateway

  stox edge    --config edge.yaml [--check]       the service in the perimeter
  stox gateway --config gateway.yaml [--check]    the service inside
  stox demo    [--once] [--folder .stox/demo] [--admin-port 8080]
                                                  both, with two small domains that talk through them
  stox keys    --out FOLDER --edge NAME --gateway NAME --domain NAME ... [--days 365]
                                                  an inside CA, keys for the link's two ends, a certificate for each domain
`

const [command, ...args] = process.argv.slice(2)

switch (command) {
  case 'demo': {
    const { values } = optionsOf({
      args,
      options: {
        once: { type: 'boolean', default: false },
        folder: { type: 'string', default: '.stox/demo' },
        'admin-port': { type: 'string', default: '8080' },
      },
    })
    const adminPort = Number(values['admin-port'])
    if (!Number.isInteger(adminPort) || adminPort < 1 || adminPort > 65_535) usage('--admin-port takes a port number')
    const { runDemo } = await import('./demo/run-demo.ts')
    process.exitCode = await runDemo({ once: values.once, folder: resolve(values.folder), adminPort })
    break
  }
  case 'keys': {
    const { values } = optionsOf({
      args,
      options: {
        out: { type: 'string' },
        edge: { type: 'string' },
        gateway: { type: 'string' },
        domain: { type: 'string', multiple: true },
        days: { type: 'string', default: '365' },
      },
    })
    const { out, edge, gateway, domain } = values
    if (out === undefined || edge === undefined || gateway === undefined || domain === undefined)
      usage('keys needs --out, --edge, --gateway and --domain')
    const validDays = Number(values.days)
    if (!Number.isInteger(validDays) || validDays < 1) usage('--days takes a whole number of days')
    const { makeThrowAwayKeys } = await import('./throw-away-ca.ts')
    const { folder, made } = await makeThrowAwayKeys({
      folder: resolve(out),
      edgeName: edge,
      gatewayName: gateway,
      domains: domain,
      validDays,
    })
    process.stdout.write(made ? `made keys in ${folder}\n` : `kept the keys in ${folder}: they are whole and last\n`)
    break
  }
  case 'edge':
    process.argv.splice(2, 1)
    await import('@stox/edge-proxy/main')
    break
  case 'gateway':
    process.argv.splice(2, 1)
    await import('@stox/gateway/main')
    break
  case undefined:
  case '--help':
  case 'help':
    process.stdout.write(USAGE)
    break
  default:
    usage(`there is no command “${command}”`)
}

function optionsOf<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

function usage(problem: string): never {
  process.stderr.write(`stox: ${problem}\n\n${USAGE}`)
  process.exit(2)
}
