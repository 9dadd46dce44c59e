"""Questions about runs, one file each: the store is read, the analyses are asked, the answer has numbers and words."""
