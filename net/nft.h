#ifndef NET_NFT_H
#define NET_NFT_H
/* What nftables holds, asked of the kernel itself: the nft program takes as long as half a QEMU start. */
#include <stdbool.h>

/* Is there a table of this name in the family "ip"? False also when that cannot be told. Never yields. */
bool nft_table_exists(const char *name);

#endif
