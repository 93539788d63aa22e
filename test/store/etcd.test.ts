import { describe } from 'vitest';
import { openEtcdDriver } from '../../src/store/etcd.ts';
import type { TestEtcd } from '../servers.ts';
import { lacksServer, startEtcd } from '../servers.ts';
import { driverSuite } from './driver-suite.ts';

describe.skipIf(lacksServer('etcd'))('on a real etcd', () => {
  let etcd: TestEtcd | undefined;
  const open = async () => {
    etcd ??= await startEtcd();
    return openEtcdDriver({ hosts: etcd.hosts });
  };
  driverSuite('the etcd driver', {
    open,
    reopen: open,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    end: async () => etcd?.stop(),
  });
});
