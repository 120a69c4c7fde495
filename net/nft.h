#ifndef NET_NFT_H
#define NET_NFT_H
/* What nftables holds, asked of the kernel itself: the nft program takes as long as half a QEMU start. */
#include <stdbool.h>

enum nft_family { NFT_IP, NFT_BRIDGE };

/* Is there a table of this name? False also when that cannot be told. Never yields. */
bool nft_table_exists(enum nft_family family, const char *name);

/* Take a table away with all that is in it; 0 or -errno (-ENOENT: there was none). Never yields. */
int nft_table_delete(enum nft_family family, const char *name);

#endif
