import { bool, embedded, message, repeated, string, uint64 } from '../wire/schema.ts';
import { header } from './header.ts';

export const memberType = message('Member', {
  id: uint64(1, 'ID'),
  name: string(2),
  peerUrls: repeated(string(3, 'peerURLs')),
  clientUrls: repeated(string(4, 'clientURLs')),
  isLearner: bool(5, 'isLearner'),
});

export const memberListResponseType = message('MemberListResponse', {
  ...header,
  members: repeated(embedded(2, () => memberType)),
});
