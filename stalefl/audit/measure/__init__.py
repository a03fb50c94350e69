"""What an audit measures with: how near recovered samples and labels are to the true ones, which no attack sees."""
