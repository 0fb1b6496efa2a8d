import { healthCheckRequestType, healthCheckResponseType } from '../protocol/maintenance.ts';
import { type Method, method } from './method.ts';

const service = '/grpc.health.v1.Health';

/** grpc.health.v1: who is answered is served. */
export const health: readonly Method[] = [
  method({
    kind: 'unary',
    path: `${service}/Check`,
    gateway: [],
    request: healthCheckRequestType,
    response: healthCheckResponseType,
    handle: async () => ({ status: 'SERVING' as const }),
  }),
  method({
    kind: 'stream',
    path: `${service}/Watch`,
    gateway: [],
    request: healthCheckRequestType,
    response: healthCheckResponseType,
    open: (answers) => ({
      next: () => void answers.write({ status: 'SERVING' }),
      end() {},
      drained() {},
      closed() {},
    }),
  }),
];
