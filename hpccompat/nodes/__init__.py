"""What every node last reported about itself: records, the store that keeps them, hostlists."""
