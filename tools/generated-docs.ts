import { edgeConfigSchema } from '@stox/edge-proxy'
import { federationFileSchema } from '@stox/federation'
import { gatewayConfigSchema } from '@stox/gateway'
import { configurationTable } from './configuration-reference.ts'

/** `docs/configuration.md`, whole. */
export function configurationPage(): string {
  return [
    `# Configuration

Generated from the schemas that check it (\`pnpm run docs\`); do not edit.

Start-up configuration is YAML. Every problem is reported at once, each with its path and a hint, and the process ends with
exit code 2; \`--check\` does only that. A key can be given as an environment variable: its path in capitals, parts joined by
two underscores (\`STOX_EDGE__XMPP__LISTEN\`, \`STOX_GATEWAY__SIP__ADVERTISED_HOST\`); lists are written with commas or as JSON. All else is
the federation model, which is kept in the store and changed live over REST.
`,
    configurationTable('edge.yaml', edgeConfigSchema, 'STOX_EDGE'),
    configurationTable('gateway.yaml', gatewayConfigSchema, 'STOX_GATEWAY'),
    configurationTable('federation.yaml: first content of the federation model', federationFileSchema),
  ].join('\n')
}
