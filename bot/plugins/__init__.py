"""The plugins that come with Parley, one file each; a name that begins with "_" helps one of them."""
